"""Where kraken is (here, in an environment module, in an image), which version, and how one of its commands is run and heard."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from htr_exp.config.schema import Runtime
from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.core.file_cache import fact_of
from htr_exp.core.problem import Problem
from htr_exp.core.program import NoAnswer, ask
from htr_exp.kraken import apptainer, releases
from htr_exp.kraken.environment_modules import ModuleUnavailable, load
from htr_exp.kraken.process import Process, environment, made_for, settings
from htr_exp.kraken.record import KrakenRecord
from htr_exp.kraken.releases import Release

PROBE_TIMEOUT_S = 300
"""The first start of kraken on a node reads gigabytes from a file system that all share."""

PROGRAMS = ("ketos", "kraken")
"""What a kraken installs."""

VERSION_FORM = 1
"""Of remembered versions."""


@dataclass(frozen=True)
class Kraken:
    """A kraken that can be run on this machine.

    Attributes:
        version: what its `ketos --version` says, or, of one that is elsewhere, what the configuration says.
        kind: host, module or apptainer.
        folder: of its programs ketos and kraken; in an image they are on its PATH.
        variables: what its processes find in their environment, beside what we set; None: what we have ourselves.
        module: its environment module.
        modules: all that are loaded with it.
        image: its image's file.
        image_digest: that file's sha256.
        fallback: why it is not the one that was asked for.
        binds: what of this machine it sees in the image.
        scratch: the folder of its temporary files (TMPDIR), which each of its programs makes and removes; None: it has none of its own.
        helpers: a folder for programs by which its image is shown.
        gpu: whether it gets the GPUs in the image.
    """

    version: str
    kind: str = "host"
    folder: Path = Path()
    variables: Mapping[str, str] | None = None
    module: str | None = None
    modules: tuple[str, ...] = ()
    image: Path | None = None
    image_digest: str | None = None
    fallback: str | None = None
    binds: tuple[apptainer.Bind, ...] = ()
    scratch: Path | None = None
    helpers: Path | None = None
    gpu: bool = False

    @property
    def release(self) -> Release:
        """The release whose words it takes."""
        return releases.release(self.version)

    def program(self, name: str) -> str:
        """The path of `ketos` or `kraken`."""
        return str(self.folder / name)

    @property
    def temporary_files(self) -> Path:
        """Where its programs would keep temporary files: its module may say so, or TMPDIR.

        Raises:
            OSError: there is no such place.
        """
        named = (self.variables or {}).get("TMPDIR")
        return Path(named if named and os.access(named, os.W_OK) else tempfile.gettempdir())

    def within(
        self,
        *,
        readable: Iterable[Path],
        writable: Iterable[Path],
        scratch: Path,
        gpu: bool = False,
        helpers: Path | None = None,
    ) -> Kraken:
        """The same kraken with a folder for temporary files, and with what it may see of this machine beside runtime.bind.

        All but the first matters in an image alone.

        Args:
            readable: files and folders that it reads.
            writable: folders that it writes.
            scratch: for temporary files; it may not be there yet, and no link leads to it.
            gpu: whether it gets the GPUs.
            helpers: a folder for programs that begin apptainer's own; it may not be there yet. /tmp may forbid programs.
        """
        if self.image is None:
            return replace(self, scratch=scratch)
        own = apptainer.Bind(scratch, scratch, writable=True)
        seen = (*apptainer.binds(readable, writable), own, *self.binds)
        return replace(self, binds=seen, scratch=scratch, gpu=gpu, helpers=helpers)

    def start(
        self, argv: Sequence[str], *, threads: int, on_line: Callable[[str], None], folder: Path, bars: bool = False
    ) -> Process:
        """Start one of its commands, as `ketos` builds them.

        Args:
            argv: ketos or kraken, and its arguments.
            threads: of its numeric libraries.
            on_line: called with each line of its output, without the line end.
            folder: where it runs.
            bars: it draws its bars, too, each time as a line of its own.
        """
        words, variables = self.command(argv, threads=threads, folder=folder, leashed=True, bars=bars)
        if self.image is not None and self.helpers is not None:
            variables = apptainer.shielded(variables, self.helpers)
        return Process(
            words, variables, on_line=on_line, folder=folder, scratch=self.scratch, in_image=self.image is not None
        )

    def command(
        self, argv: Sequence[str], *, threads: int, folder: Path, leashed: bool = False, bars: bool = False
    ) -> tuple[list[str], dict[str, str]]:
        """One of its commands as this machine runs it, and the variables that it runs under.

        Args:
            argv: ketos, kraken or another program, and its arguments.
            threads: of its numeric libraries.
            folder: where it runs.
            leashed: in an image it ends with its standard input, which is to be a pipe of ours.
            bars: as of `start`.
        """
        variables = environment(threads, self.variables, bars=bars) | (
            {"TMPDIR": str(self.scratch)} if self.scratch else {}
        )
        if self.image is None:
            program = self.program(argv[0]) if argv[0] in PROGRAMS else argv[0]
            return [program, *argv[1:]], variables
        ours = settings(threads, bars=bars) | ({"TMPDIR": str(self.scratch)} if self.scratch else {})
        ours |= {name: value for name, value in os.environ.items() if name == "CUDA_VISIBLE_DEVICES"}
        words = apptainer.exec_command(
            self.image, argv, binds=self.binds, environment=ours, folder=folder, gpu=self.gpu, leashed=leashed
        )
        return words, apptainer.outside(variables)

    @contextlib.contextmanager
    def folder_of_its_own(self) -> Iterator[Path]:
        """The folder of its temporary files, for a question to it: there while it is asked.

        Raises:
            OSError, RuntimeUnavailableError: it cannot be made.
        """
        if self.scratch is not None:
            with made_for("kraken", self.scratch):
                yield self.scratch
        else:
            with tempfile.TemporaryDirectory() as made:
                yield Path(made).resolve()

    def facts(self) -> KrakenRecord:
        """What the record of a run says of it."""
        return {
            "version": self.version,
            "kind": self.kind,
            "module": self.module,
            "modules": list(self.modules),
            "image": self.image.name if self.image else None,
            "image_sha256": self.image_digest,
            "fallback": self.fallback,
        }


def provide(wanted: Runtime, *, prove: bool = True) -> Kraken:
    """Find the kraken of the configuration on this machine.

    Args:
        wanted: the runtime group.
        prove: run its `ketos --version`, which is then remembered on this machine. Without it, the installation that we
            are part of ourselves is believed.

    Raises:
        RuntimeUnavailableError: it is not here, does not start, or has another version than wanted or one not supported.
    """
    if wanted.kind == "host":
        return _host(wanted, prove)
    if wanted.kraken is None:
        raise RuntimeUnavailableError(
            f"runtime.kraken is not set: say which version of kraken runtime={wanted.kind} is to give"
        )
    if wanted.kind == "apptainer":
        return _in_image(wanted, wanted.kraken)
    try:
        return _in_module(wanted, wanted.kraken)
    except RuntimeUnavailableError as missing:
        if not wanted.fallback:
            other = Problem("runtime.fallback=false: there is no other to use instead", where="runtime.fallback")
            raise RuntimeUnavailableError(missing.headline, [other]) from None
        try:
            return replace(_in_image(wanted, wanted.fallback_kraken or wanted.kraken), fallback=missing.headline)
        except RuntimeUnavailableError as neither:
            raise RuntimeUnavailableError(
                "kraken is neither there as a module nor as an image:", [missing.headline, neither.headline]
            ) from None


def stated(wanted: Runtime) -> Kraken:
    """A kraken that is not here but where the run goes, as the configuration says; the job verifies it.

    Args:
        wanted: the runtime group; it states the version. With host the program is the named one, else that beside the
            running Python, which the job uses too, else the one on the node's PATH.

    Raises:
        RuntimeUnavailableError: that version is not supported.
    """
    version = str(wanted.kraken)
    _supported(version, f"runtime.kraken={version}")
    if wanted.kind != "host":
        return Kraken(version, wanted.kind, module=wanted.module if wanted.kind == "module" else None)
    beside = Path(sys.executable).parent
    named = (
        Path(wanted.ketos).expanduser().parent if wanted.ketos else beside if (beside / "ketos").exists() else Path()
    )
    return Kraken(version, folder=named.absolute() if str(named) != "." else named)


def missing_here(wanted: Runtime) -> list[str]:
    """What this machine does not have of a module or an image, in sentences; cheap: no kraken is started.

    A node may have what a login node lacks, hence nothing is refused for it.
    """
    found = []
    if wanted.kind == "module":
        try:
            load(str(wanted.module), use=wanted.modulepath, environment=_without_us(environment(1)))
        except ModuleUnavailable as error:
            instead = f"jobs that do not find it either use {wanted.image}" if wanted.fallback else "jobs need it"
            found.append(f"runtime.module={wanted.module}: {error}; {instead}")
    if wanted.kind == "apptainer" or wanted.fallback:
        try:
            apptainer.read_image(Path(str(wanted.image)).expanduser().absolute())
        except apptainer.ImageUnusable as error:
            what = "jobs need it" if wanted.kind == "apptainer" else "there is nothing to fall back to"
            found.append(f"runtime.image={wanted.image}: {error}; {what}")
    return found


def _supported(version: str, name: str) -> None:
    try:
        releases.release(version)
    except RuntimeUnavailableError as error:
        raise RuntimeUnavailableError(f"{name}: {error.headline}") from None


def _host(wanted: Runtime, prove: bool) -> Kraken:
    beside = Path(sys.executable).parent / "ketos"
    if wanted.ketos is not None:
        program = shutil.which(str(Path(wanted.ketos).expanduser()))
        if program is None:
            raise RuntimeUnavailableError(f"runtime.ketos={wanted.ketos}: there is no such program")
        path = Path(program)
    elif beside.exists():
        path = beside
    else:
        on_path = shutil.which("ketos")
        if on_path is None:
            raise RuntimeUnavailableError(
                "kraken is not installed here",
                ["install it with `pip install 'htr-exp[kraken]'`, or name it: runtime.ketos=PROGRAM"],
            )
        path = Path(on_path)
    own = path.parent.absolute() == beside.parent.absolute()
    found = Kraken("", folder=path.parent.absolute())
    version = None if prove or not own else _installed_version()
    return _as_wanted(found, version, wanted.kraken, str(path))


def _in_module(wanted: Runtime, version: str) -> Kraken:
    name = str(wanted.module)
    try:
        loaded = load(name, use=wanted.modulepath, environment=_without_us(environment(1)))
    except ModuleUnavailable as error:
        raise RuntimeUnavailableError(f"runtime.module={name}: {error}") from None
    program = shutil.which("ketos", path=loaded.environment.get("PATH", ""))
    if program is None:
        raise RuntimeUnavailableError(f"runtime.module={name}: it loads, but gives no ketos")
    found = Kraken(
        "", "module", Path(program).parent, variables=loaded.environment, module=name, modules=loaded.modules
    )
    return _as_wanted(found, None, version, f"{program} of runtime.module={name}")


def _in_image(wanted: Runtime, version: str) -> Kraken:
    path = Path(str(wanted.image)).expanduser().absolute()
    if apptainer.program() is None:
        raise RuntimeUnavailableError(
            f"runtime.image={wanted.image}: there is no apptainer (or singularity) on PATH to run it"
        )
    try:
        image = apptainer.read_image(path)
        digest = apptainer.digest(image)
    except apptainer.ImageUnusable as error:
        raise RuntimeUnavailableError(f"runtime.image={wanted.image}: {error}") from None
    more = tuple(_bind(one) for one in wanted.bind)
    found = Kraken("", "apptainer", image=image.path, image_digest=digest, binds=more)
    return _as_wanted(found, None, version, f"ketos of runtime.image={wanted.image}")


def _bind(said: str) -> apptainer.Bind:
    """Read a word of runtime.bind: FOLDER or FOLDER:AS."""
    whole = Path(said).expanduser().absolute()
    source, colon, target = (said, "", "") if whole.exists() else said.rpartition(":")
    folder = Path(source if colon else said).expanduser().absolute()
    if not folder.exists():
        raise RuntimeUnavailableError(f"runtime.bind={said}: there is no {folder} on this machine")
    if colon and not target.startswith("/"):
        raise RuntimeUnavailableError(
            f"runtime.bind={said}: {target} is where the image sees it: give it from the root, /{target}"
        )
    return apptainer.Bind(folder, Path(target) if colon else folder, writable=False)


def _as_wanted(found: Kraken, version: str | None, wanted: str | None, name: str) -> Kraken:
    version = version or _version_of(found, name)
    if wanted is not None and version != wanted:
        raise RuntimeUnavailableError(f"runtime.kraken={wanted}: {name} is kraken {version}")
    _supported(version, name)
    return replace(found, version=version)


def _without_us(variables: dict[str, str]) -> dict[str, str]:
    """Take our own Python out of an environment: a module brings its own, and must not find our kraken."""
    own = Path(sys.executable).parent
    path = [one for one in variables.get("PATH", "").split(os.pathsep) if Path(one).absolute() != own]
    kept = {name: value for name, value in variables.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return kept | {"PATH": os.pathsep.join(path)}


def _installed_version() -> str | None:
    try:
        return importlib.metadata.version("kraken")
    except importlib.metadata.PackageNotFoundError:
        return None


def _version_of(kraken: Kraken, name: str) -> str:
    """What `ketos --version` says; asked once on a machine for each program or image as it is now."""
    asked = kraken.image or Path(kraken.program("ketos"))
    seen_by = [socket.gethostname(), kraken.kind, str(kraken.module), *map(str, kraken.binds)]
    try:
        return str(fact_of(asked, "kraken", VERSION_FORM, lambda: _said_version(kraken, name), about=" ".join(seen_by)))
    except OSError as error:
        raise RuntimeUnavailableError(f"{name} does not start: {error.strerror}") from None


def _said_version(kraken: Kraken, name: str) -> str:
    try:
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch).resolve()
            asked = kraken.within(readable=[], writable=[], scratch=place)
            words, variables = asked.command(["ketos", "--version"], threads=1, folder=place)
            said = ask(words, timeout_s=PROBE_TIMEOUT_S, name=name, environment=variables)
    except NoAnswer as silent:
        raise RuntimeUnavailableError(str(silent)) from None
    except OSError as error:
        raise RuntimeUnavailableError(f"{name} does not start: {error.strerror or error}") from None
    found = re.search(r"version (\S+)", said.output)
    if said.code or not found:
        raise RuntimeUnavailableError(f"{name} --version fails: {said.last_line}")
    return found[1]
