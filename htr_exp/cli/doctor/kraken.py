"""kraken where the configuration says that it is; and, where nothing was asked for, wherever else it is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from htr_exp.cli.doctor import containers
from htr_exp.cli.doctor.finding import Finding, note, ok
from htr_exp.config.schema import Experiment, Runtime
from htr_exp.config.site_choice import is_site_word
from htr_exp.core import machine
from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.core.own_command import own_command
from htr_exp.core.program import NoAnswer
from htr_exp.core.text import joined
from htr_exp.core.time_limit import within
from htr_exp.kraken import apptainer, environment_modules, runtime

PATIENCE_S = 60.0
"""How long kraken may take to start: its first start on a machine reads gigabytes."""

HASHED_PER_S = 50e6
"""Bytes of an image that are surely read within a second: its digest is made once."""

MODULES_S = 30.0
"""How long a module system may take that keeps no list of its modules."""


def findings(experiment: Experiment, images: Path, *, asked: bool, words: Sequence[str]) -> Iterator[Finding]:
    """Look for kraken.

    Args:
        experiment: as composed.
        images: the folder of images.
        asked: the runtime was named on the command line; otherwise the others are looked for, too.
        words: the command line, for remedies.
    """
    wanted = experiment.runtime
    elsewhere = (
        experiment.slurm.submit
        and (wanted.kraken is not None or wanted.kind != "host")
        and machine.allocation() is None
    )
    look = _Look(wanted, images, "warning" if elsewhere else "error", _on_a_node(experiment, words, elsewhere))
    match wanted.kind:
        case "module":
            yield from look.module()
        case "apptainer":
            yield from look.container()
        case _:
            found = list(look.host())
            others = [] if asked else [*look.modules_here(), *look.containers_here()]
            yield from (_softened(one, others) for one in found)
            yield from others


def _on_a_node(experiment: Experiment, words: Sequence[str], elsewhere: bool) -> str:
    if not elsewhere:
        return ""
    asks = " ".join(
        f"--{key}={value}" for key in ("partition", "account", "gres", "constraint")
        if (value := getattr(experiment.slurm, key))
    )  # fmt: skip
    asks += f" --mem={experiment.slurm.mem_gb:g}G" if experiment.slurm.mem_gb else ""
    doctor = own_command(" ".join(["doctor", *(word for word in words if not is_site_word(word))]))
    return f"a node may have it, and says so itself: `srun {asks} --time=10 {doctor}`"


def _softened(finding: Finding, others: Sequence[Finding]) -> Finding:
    """A finding that kraken is missing here, as a warning only where another kraken can be used."""
    usable = [one.name for one in others if one.state == "ok" and one.name.startswith("runtime=")]
    if finding.state != "error" or not usable:
        return finding
    return replace(finding, state="warning", remedy=f"choose {joined(usable, 'or')}, or {finding.remedy}")


class _Look:
    """Looks at one runtime or another.

    Args:
        wanted: as configured.
        images: the folder of images.
        missing: the state of what is not here.
        on_a_node: how to look there, where it is nodes that need it; "" else.
    """

    def __init__(self, wanted: Runtime, images: Path, missing: str, on_a_node: str) -> None:
        self._wanted, self._images, self._missing, self._on_a_node = wanted, images, missing, on_a_node

    def host(self) -> Iterator[Finding]:
        """Yield what there is of kraken on this machine."""
        remedy = self._or_on_a_node("install it, or choose another runtime")
        yield self._provided("runtime=host", self._wanted, remedy)

    def module(self) -> Iterator[Finding]:
        """Yield what there is of the module, and of the image that is used where it is missing."""
        wanted, name = self._wanted, f"module {self._wanted.module}"
        system = self._system()
        module = replace(system, name=name)
        if system.state == "ok":
            yield system
            there = self._available()
            if there:
                yield ok("modules", f"`module avail` finds {', '.join(there)}")
                remedy = "choose one of them: runtime.module=NAME runtime.kraken=VERSION"
            else:
                remedy = "ask the administrators for a module of kraken, or choose another runtime"
            module = self._provided(name, replace(wanted, fallback=False), self._or_on_a_node(remedy))
        if not wanted.fallback:
            yield module
            return
        other = replace(wanted, kind="apptainer", kraken=wanted.fallback_kraken or wanted.kraken)
        missing = "note" if module.state == "ok" else self._missing
        fallback = list(_Look(other, self._images, missing, self._on_a_node).container())
        used = f"image {Path(str(wanted.image)).name}"
        if module.state != "ok" and any(one.state == "ok" and one.name == used for one in fallback):
            module = replace(module, state="warning", remedy=self._or_on_a_node("nothing: the image is used instead"))
        yield module
        yield from fallback

    def container(self) -> Iterator[Finding]:
        """Yield what there is of Apptainer and the image."""
        program = containers.program(self._missing)
        yield program
        file = Path(str(self._wanted.image)).expanduser().absolute()
        read = containers.image(file, self._missing)
        started = containers.start(file if read.state == "ok" else None) if program.state == "ok" else None
        if started is not None:
            yield replace(started, state=self._missing) if started.state == "error" else started
        if read.state != "ok" or started is None:
            yield read
        elif started.state != "error":
            remedy = self._or_on_a_node("make it again, or choose another")
            inside = self._provided(f"image {file.name}", self._wanted, remedy)
            yield replace(inside, found=f"{inside.found}; {read.found}") if inside.state == "ok" else inside
        yield from (containers.image(other, "warning") for other in containers.files(self._images) if other != file)

    def modules_here(self) -> Iterator[Finding]:
        """Yield what modules there are, where nobody asked for one."""
        system = self._system()
        there = self._available() if system.state == "ok" else []
        if there:
            yield ok("runtime=module", f"{system.found}; `module avail` finds {', '.join(there)}")
        elif system.state == "ok":
            yield note("runtime=module", f"{system.found}, but no module of kraken")
        else:
            yield note("runtime=module", system.found)

    def containers_here(self) -> Iterator[Finding]:
        """Yield what of Apptainer there is, where nobody asked for it."""
        files = containers.files(self._images)
        if apptainer.program() is None:
            yield note("runtime=apptainer", "neither apptainer nor singularity is on PATH")
        else:
            read = {file: containers.image(file, "warning") for file in files}
            sound = [file for file, finding in read.items() if finding.state == "ok"]
            started = containers.start(sound[0] if sound else None)
            program = containers.program("note")
            if started.state == "error":
                yield replace(
                    started,
                    name="runtime=apptainer",
                    state="note",
                    found=f"{program.found}: a container {started.found}",
                )
            elif not sound:
                yield note(
                    "runtime=apptainer",
                    f"{program.found}; a container {started.found}; no image in {self._images}",
                    "put one there to use it",
                )
            else:
                yield replace(started, name="runtime=apptainer", found=f"{program.found}; a container {started.found}")
        yield from (containers.image(file, "warning") for file in files)

    def _system(self) -> Finding:
        try:
            found = within(MODULES_S, lambda: environment_modules.system(os.environ), "the module system")
        except NoAnswer as silent:
            return Finding("module system", self._missing, str(silent), self._or_on_a_node("ask the administrators"))
        if found is None:
            remedy = self._or_on_a_node("work on the cluster's login node, or choose another runtime")
            return Finding("module system", self._missing, "there is no `module` command here", remedy)
        return ok("module system", found)

    def _available(self) -> list[str]:
        try:
            return within(
                MODULES_S,
                lambda: environment_modules.available("kraken", use=self._wanted.modulepath, environment=os.environ),
                "`module avail`",
            )
        except (NoAnswer, environment_modules.ModuleUnavailable):
            return []

    def _provided(self, name: str, wanted: Runtime, remedy: str) -> Finding:
        """Start a kraken for real, as a run would, and say what it is."""
        patience = PATIENCE_S
        if wanted.kind == "apptainer":
            patience += Path(str(wanted.image)).expanduser().stat().st_size / HASHED_PER_S
        try:
            kraken = within(patience, lambda: runtime.provide(wanted), "`ketos --version`")
        except NoAnswer as silent:
            found = f"{silent}; the first start on a machine reads gigabytes"
            return Finding(name, self._missing, found, "ask again in some minutes")
        except RuntimeUnavailableError as failure:
            more = "" if wanted.kind == "module" and not wanted.fallback else "; ".join(map(str, failure.problems))
            return Finding(name, self._missing, failure.headline, more or remedy)
        where = kraken.folder / "ketos" if kraken.image is None else f"sha256 {(kraken.image_digest or '')[:12]}"
        return ok(name, f"kraken {kraken.version} ({where})")

    def _or_on_a_node(self, remedy: str) -> str:
        return f"{remedy}; {self._on_a_node}" if self._on_a_node else remedy
