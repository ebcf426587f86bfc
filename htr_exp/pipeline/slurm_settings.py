"""What Slurm makes of the settings of a job, asked before anything is written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from htr_exp.config.schema import Slurm
from htr_exp.core.problem import Problem
from htr_exp.slurm import refusals
from htr_exp.slurm.cluster import Partition, partitions
from htr_exp.slurm.programs import SlurmSilent


def asked_slurm(settings: Slurm, *, submits: bool = True) -> tuple[list[Problem], list[str]]:
    """What Slurm would refuse, and what it would take and let wait, or not use.

    Args:
        settings: of the jobs.
        submits: whether they are to be submitted from here; if not, a Slurm that cannot be asked is a warning.
    """
    chosen = f"slurm={settings.name}"
    if shutil.which("sbatch") is None:
        if not submits:
            return [], [f"{chosen}: not verified here, where there is no sbatch: Slurm may refuse the job"]
        remedy = "run this on the cluster's login node, or here with slurm=none"
        return [Problem(f"{chosen}: there is no sbatch here", remedy, "slurm")], []
    try:
        found = [*_unknown_partitions(settings, known := partitions()), *_too_long(settings, known)]
        if found:
            return found, []
        from htr_exp.slurm import sbatch  # with submitit, a tenth of a second that only Slurm costs

        script = sbatch.script(sbatch.Work(settings, "test", Path("/"), Path("/")), 1)
        words, waits = refusals.verdict(script, vars(settings))
        refused = [refusals.meaning(words, vars(settings))] if words else []
        return refused, [said for said in (waits, refusals.of_the_shell()) if said]
    except SlurmSilent as silent:
        if not submits:
            return [], [f"{chosen}: not verified here: {silent}"]
        remedy = "try again when Slurm answers, or run here with slurm=none"
        return [Problem(f"{chosen}: {silent}", remedy, "slurm")], []


def _unknown_partitions(settings: Slurm, known: Mapping[str, Partition]) -> list[Problem]:
    return [
        Problem(
            f"slurm.{key}={names}: there is no such partition",
            f"choose one of {', '.join(sorted(known))}",
            f"slurm.{key}",
        )
        for key in ("partition", "compile_partition")
        if (names := getattr(settings, key)) is not None and any(name not in known for name in names.split(","))
    ]


def _too_long(settings: Slurm, known: Mapping[str, Partition]) -> list[Problem]:
    """That the time is more than every partition allows: Slurm takes such a job and leaves it waiting for ever."""
    limits = [known[name].max_time_min for name in str(settings.partition).split(",") if name in known]
    if not limits or None in limits or (settings.time_min or 0) <= (longest := max(limit or 0 for limit in limits)):
        return []
    what = f"slurm.time_min={settings.time_min}: {settings.partition} allows {longest} minutes"
    return [Problem(what, where="slurm.time_min")]
