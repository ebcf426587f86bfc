"""The energy of a job, where the site measures it (AcctGatherEnergyType)."""

from __future__ import annotations

import re

from htr_exp.slurm.programs import SlurmSilent, answer

_J_PER_WH = 3600


def of_running_job(job: str) -> float | None:
    """Watt-hours that the nodes of a job have taken since it began, with all that ran on them; None where the site does not measure it.

    Args:
        job: the number alone, of a task of an array as well.
    """
    try:
        said = answer(["sstat", "-a", "-P", "-n", "--format=ConsumedEnergyRaw", "-j", job])
    except SlurmSilent:
        return None
    # Each step counts for itself. A site that does not measure says 0, one that cannot a number near 2^64.
    joules = [int(line) for line in said.split() if re.fullmatch(r"\d{1,15}", line)]
    return round(sum(joules) / _J_PER_WH, 4) if any(joules) else None
