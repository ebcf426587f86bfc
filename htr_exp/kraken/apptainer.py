"""Apptainer: what an image file says of itself, and the command line that runs a program in it."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import os
import platform
import shlex
import shutil
import signal
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp.core.file_cache import fact_of
from htr_exp.core.files import sha256_file, write_atomically
from htr_exp.core.problem import Problem

HEADER = struct.Struct("<32s10s3s3s16s8q")
"""Of a SIF file: launch script, magic, version, processor, id, then numbers: created, modified, descriptors free and in all,
where they begin, their bytes, where the data begins, its bytes."""

DESCRIPTOR = struct.Struct("<i?IIIqq")
"""Of one object in it, at its beginning: kind, whether it is used, id, group, link, where the object begins, its bytes."""

PROCESSORS = {b"01": "386", b"02": "amd64", b"03": "arm", b"04": "arm64", b"05": "ppc64", b"06": "ppc64le", b"12": "s390x",
              b"13": "riscv64"}  # fmt: skip
"""SIF's codes, and the names that Apptainer gives them."""

MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386", "armv7l": "arm"}
"""What the kernel calls a processor, where Apptainer calls it otherwise."""

FILES_APART = 8
"""So many files of one folder are shown one by one, each by a mount of its own; of more, the folder is."""

MOUNT_HELPERS = ("squashfuse_ll", "squashfuse")
"""The programs by which Apptainer shows an image's files to an ordinary user; the first that it finds."""

START = 'trap "" USR2; '
"""Slurm's SIGUSR2 is for us. Apptainer's own processes do not hand on that a signal is ignored."""

LEASH = 'exec 3<&0 </dev/null; { trap "" TERM INT; read -r end <&3; kill -9 $$; } >/dev/null 2>&1 & '
"""Kills the program when its standard input ends; Apptainer then takes down what it has set up. The signal that the kernel can
be asked for at a parent's death gets lost in Apptainer, which goes on from one of its threads to the next."""


DIGEST_FORM = 1
"""Of remembered digests."""


class ImageUnusable(Exception):
    """No program can be run in that image here.

    Args:
        what: one plain sentence that says why, with the path.
        remedy: what to do, where that is known here.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        self.problem = Problem(what, remedy)
        super().__init__(str(self.problem))


@dataclass(frozen=True)
class Image:
    """A SIF file that can be run here."""

    path: Path
    size: int
    architecture: str  # amd64, arm64, ...


@dataclass(frozen=True)
class Bind:
    """A folder or file of this machine, and where it is seen in the image."""

    source: Path
    target: Path
    writable: bool


def read_image(path: Path) -> Image:
    """Read the header of an image.

    Raises:
        ImageUnusable: there is no such file, it is no SIF image, its end is missing, or it is for another processor.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = file.read(HEADER.size)
            if len(header) < HEADER.size or header[32:41] != b"SIF_MAGIC":
                raise ImageUnusable(f"{path} is not a SIF image")
            code = header[45:47]
            _, _, _, total, offset, length, data, data_length = HEADER.unpack(header)[5:]
            each = length // total if total > 0 else 0
            if each < DESCRIPTOR.size or offset < HEADER.size:
                raise ImageUnusable(f"{path} is not a SIF image")
            file.seek(offset)
            descriptors = file.read(min(length, 1 << 20))
    except FileNotFoundError:
        raise ImageUnusable(f"{path} does not exist") from None
    except IsADirectoryError:
        raise ImageUnusable(f"{path} is a folder: a SIF image is one file") from None
    except OSError as error:
        raise ImageUnusable(f"{path} cannot be read: {error.strerror}") from None
    whole = max(offset + length, data + data_length)
    if len(descriptors) == length:
        rows = [DESCRIPTOR.unpack_from(descriptors, each * row) for row in range(total)]
        whole = max([offset + length, *(row[5] + row[6] for row in rows if row[1])])
    if size < whole:
        raise ImageUnusable(f"{path} is cut short: it has {size} of {whole} bytes", "copy or build it again")
    architecture = PROCESSORS.get(code, "unknown")
    here = MACHINES.get(platform.machine(), platform.machine())
    if architecture not in ("unknown", here):
        raise ImageUnusable(f"{path} is for another processor: {architecture}, and this machine is {here}")
    return Image(path, size, architecture)


def digest(image: Image, cache: Path | None = None) -> str:
    """The SHA-256 of an image in hexadecimal, remembered of the file as it is: to read gigabytes takes its time.

    Args:
        image: as `read_image` returns it.
        cache: where it is remembered; None: in this user's cache.

    Raises:
        OSError: the image cannot be read.
    """
    path = image.path.resolve()
    return str(fact_of(path, "sif", DIGEST_FORM, lambda: sha256_file(path), where=cache))


def program() -> str | None:
    """The path of apptainer, else of singularity, its older name; None: neither is on PATH."""
    return shutil.which("apptainer") or shutil.which("singularity")


def binds(readable: Iterable[Path], writable: Iterable[Path]) -> list[Bind]:
    """What must be mounted so that paths mean in the image what they mean here.

    Where a path leads through symlinks, the places that these name are mounted, too. What lies in another mount of the same or
    more rights needs none of its own. Many files of one folder are mounted as that folder. A path that does not exist is left
    out.

    Args:
        readable: folders and files.
        writable: folders and files.

    Returns:
        Parents before what lies in them, as Apptainer must mount them.
    """
    steps = _Steps()
    wanted: dict[Path, bool] = {}
    for path, may_write in [*((path, False) for path in readable), *((path, True) for path in writable)]:
        for step in steps(Path(os.path.abspath(path))) if path.exists() else ():
            wanted[step] = wanted.get(step, False) or may_write
    files = Counter(path.parent for path, may_write in wanted.items() if not may_write and path.is_file())
    for folder, number in files.items():
        if number > FILES_APART and folder != folder.parent:
            wanted.setdefault(folder, False)
    kept: dict[Path, bool] = {}
    for path in sorted(wanted, key=lambda path: (len(path.parts), path)):
        around = next((parent for parent in path.parents if parent in kept), None)
        if around is not None:
            between = [part for part in (path, *path.parents) if around in part.parents]
            # A symlink in there leads to the next step, which is mounted itself.
            if any(map(steps.is_link, between)) or kept[around] or not wanted[path]:
                continue
        kept[path] = wanted[path]
    return [Bind(path, path, may_write) for path, may_write in kept.items()]


class _Steps:
    """A path, and it again with each symlink on its way replaced by where that leads; what folders have in common is asked once."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Path, ...]] = {}
        self.is_link = functools.cache(os.path.islink)

    def __call__(self, path: Path) -> tuple[Path, ...]:
        if path not in self._known:
            ways = tuple(parent / path.name for parent in self(path.parent)) if path != path.parent else (path,)
            if self.is_link(ways[-1]):
                ways += self(Path(os.path.normpath(ways[-1].parent / os.readlink(ways[-1]))))
            self._known[path] = ways
        return self._known[path]


def exec_command(
    image: Path,
    argv: Sequence[str],
    *,
    binds: Sequence[Bind],
    environment: Mapping[str, str],
    folder: Path,
    gpu: bool,
    leashed: bool = False,
) -> list[str]:
    """The command line that runs a program in an image, which sees nothing of this machine's files but the binds.

    The home, /tmp and the present folder are not mounted, and the image's own cannot be written: name TMPDIR in `environment`,
    in a writable bind; it is the home, too, unless HOME is named. /dev and with it /dev/shm are this machine's: in those that
    Apptainer would make, a site may allow 64 MB. Run it with the variables of `outside`.

    SIGTERM reaches the program once if it is sent to the apptainer process alone, up to three times if to its process group.
    SIGKILL of the apptainer process ends all that runs in the image, but may leave its mount helper: `kill` ends that, too.
    Whoever signals the helper takes the image's files from the program: see `shielded`.

    Args:
        image: a SIF file.
        argv: the program, as the image finds it, and its arguments.
        binds: what it sees.
        environment: the variables of the program, any text, over those that the image sets; nothing of ours is handed on.
        folder: where it runs, in a bind.
        gpu: let it use this machine's NVIDIA GPUs.
        leashed: it ends at once when its standard input ends: give it a pipe that is never written, and it does not outlive us.
    """
    mounts = [part for bind in binds for part in ("--mount", _mount(bind))]
    variables = {"HOME": environment.get("TMPDIR", "/tmp"), **environment}  # noqa: S108 - the image's, where it is empty
    return [
        program() or "apptainer", "--quiet", "exec", "--cleanenv", "--pid",
        "--no-mount", "home,tmp,cwd,hostfs,bind-paths", *mounts, "--pwd", str(folder), *(["--nv"] if gpu else []), str(image),
        "sh", "-c", START + (LEASH + 'exec "$@" 3<&-' if leashed else 'exec "$@"'), "sh",
        # Apptainer's own --env reads commas, and $ as a shell does.
        "env", *(f"{name}={value}" for name, value in variables.items()), *argv,
    ]  # fmt: skip


def _mount(bind: Bind) -> str:
    fields = ["type=bind", f"source={bind.source}", f"destination={bind.target}", *([] if bind.writable else ["ro"])]
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(fields)  # what ends lines is quoted in a path
    return text.getvalue()[:-2]


def outside(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that apptainer itself runs under: without those that change what a program in the image sees."""
    changing = {"BIND", "BINDPATH", "MOUNT", "ENV", "ENV_FILE", "HOME", "SCRATCH", "WORKDIR", "OVERLAY", "OVERLAYIMAGE",
                "WRITABLE", "WRITABLE_TMPFS", "PWD", "CWD", "APP", "NV", "ROCM", "FUSEMOUNT"}  # fmt: skip
    names = {f"{owner}_{rest}" for owner in ("APPTAINER", "SINGULARITY") for rest in changing}
    kept = (
        name for name in environment if name not in names and not name.startswith(("APPTAINERENV_", "SINGULARITYENV_"))
    )
    return {name: environment[name] for name in kept}


def shielded(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Variables under which Apptainer's mount helper does not hear what Slurm tells the processes of a job step.

    Where an ordinary user runs it without a setuid installation, squashfuse shows the image's files: SIGUSR2 or SIGTERM, which
    are for us, would end it and take them from the program. Ours, found first, begins with both ignored. An Apptainer that
    brings its own helper (that of the project's packages for Red Hat does) does not find ours; nor does it need it where Slurm
    tracks processes by cgroups, and signals those alone that it started itself.

    Args:
        variables: what apptainer would run under.
        folder: gets the programs that are found first; made if there are any.

    Raises:
        OSError: it cannot be written.
    """
    for name in MOUNT_HELPERS:
        if (real := shutil.which(name, path=variables.get("PATH"))) is not None:
            text = f"#!/bin/sh\ntrap '' TERM USR2\nexec {shlex.quote(real)} \"$@\"\n"
            folder.mkdir(exist_ok=True)
            write_atomically(folder / name, text)
            mode = (folder / name).stat().st_mode
            (folder / name).chmod(mode | (mode & 0o444) >> 2)  # whoever may read it may run it
    return {**variables, "PATH": f"{folder}{os.pathsep}{variables.get('PATH', '')}"}


def kill(session: int) -> None:
    """End all processes of a session at once: apptainer, what runs in the image, and its mount helper, which no group leads to.

    Args:
        session: the pid of an apptainer that was started as the leader of a session.
    """
    for state in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(state.read_bytes().rpartition(b")")[2].split()[3]) == session:
                os.kill(int(state.parent.name), signal.SIGKILL)
