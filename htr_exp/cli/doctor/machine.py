"""The machine that this runs on: processors, memory, GPU."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil

from htr_exp.cli.doctor.finding import TIMEOUT_S, Finding, error, note, ok, warning
from htr_exp.core import machine
from htr_exp.core.program import NoAnswer, ask
from htr_exp.core.text import size

TRAINING_BYTES = 1.5e9
"""What kraken takes to fine-tune a recogniser on the CPU, with some room."""

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def findings(*, runs_here: bool, device: str) -> Iterator[Finding]:
    """Look at the machine.

    Args:
        runs_here: trainings run on it, not in jobs.
        device: training.device.
    """
    given = machine.allocation()
    if given is not None:
        yield ok("job", f"this is node {given.node or socket.gethostname()}, in job {given.job}")
    usable, there = machine.usable_cpus(), os.cpu_count() or 1
    yield ok("processors", f"{usable} can be used" + (f" of {there}" if usable < there else ""))
    yield _memory(runs_here)
    yield _gpu(runs_here, device)


def _memory(runs_here: bool) -> Finding:
    there = psutil.virtual_memory()
    limit, whose = memory_limit()
    free, found = float(there.available), f"{size(there.available)} free of {size(there.total)}"
    if limit is not None and limit < there.total:
        free, found = min(free, limit), f"{found}; {whose} allows {size(limit)}"
    if free < TRAINING_BYTES and runs_here:
        remedy = "end other programs, run on a machine with more, or submit with slurm=..."
        return warning("memory", f"{found}: a training takes about {size(TRAINING_BYTES)}", remedy)
    return ok("memory", found)


def memory_limit() -> tuple[float | None, str]:
    """The memory that this process may use (bytes), and what sets the limit; None without a limit."""
    found = [(limit, "the limit of this session (cgroup)") for limit in _cgroup_limits()]
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if address_space != resource.RLIM_INFINITY:
        found.append((float(address_space), "`ulimit -v`"))
    return min(found, default=(None, ""))


def _cgroup_limits() -> Iterator[float]:
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, file = (CGROUPS / "memory", "memory.limit_in_bytes") if controllers else (CGROUPS, "memory.max")
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            try:
                text = (folder / file).read_text().strip()
            except OSError:
                continue
            if text.isdigit():
                yield float(text)


def _gpu(runs_here: bool, device: str) -> Finding:
    wanted = runs_here and device.startswith("cuda")
    remedy = "use training.device=cpu, or submit to a partition that has GPUs"
    smi = shutil.which("nvidia-smi")
    if smi is None:
        if wanted:
            return error("GPU", f"none that kraken can use (no nvidia-smi), and training.device={device}", remedy)
        return note("GPU", "none that kraken can use here" + ("" if runs_here else ", as is usual on login nodes"))
    query = "--query-gpu=index,name,memory.total,driver_version"
    try:
        answer = ask([smi, query, "--format=csv,noheader"], timeout_s=TIMEOUT_S)
        code, said = answer.code, answer.words
    except NoAnswer as silent:
        code, said = 1, str(silent)
    rows = [line.split(", ") for line in said.splitlines() if re.match(r"\d+, .*, .*, ", line)]
    if code or not rows:
        words = " ".join(said.split())[:200] or f"exit code {code}"
        found = f"nvidia-smi is here but shows no GPU: {words}"
        return error("GPU", found, remedy) if wanted else (warning if runs_here else note)("GPU", found, remedy)
    cards = ", ".join(f"{index}: {name} ({memory})" for index, name, memory, *_ in rows)
    return ok("GPU", f"{cards}; driver {rows[0][-1]}")
