"""Why a job has not begun: squeue's reason in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from htr_exp.slurm.jobs import Job


def why_waiting(job: Job, record: Mapping[str, Any]) -> str:
    """Say in plain words why a job has not begun."""
    reason, settings = job.reason or "None", record.get("slurm") or {}
    values = {
        "job": job.id,
        "compile": record.get("compile_job") or "before it",
        "partition": settings.get("partition"),
        "time": settings.get("time_min"),
        "parallel": settings.get("array_parallelism"),
        "reason": reason,
    }
    values["again"] = "after a requeue" if job.restarts else "its begin time has not come"
    for pattern, words in NEVER_BEGINS:
        if re.match(pattern, reason, re.IGNORECASE):
            return f"job {job.id} never begins: {words.format(**values)}"
    known = next((words for pattern, words in WAITS if re.match(pattern, reason, re.IGNORECASE)), None)
    said = known.format(**values) if known else f"waits: Slurm says {reason}"
    begins = f"; begins about {job.starts_at[:16].replace('T', ' ')} UTC" if job.starts_at else ""
    return f"{said}{begins}"


CHANGE = ": `cancel RUN`, then `resume RUN` with another "

NEVER_BEGINS: tuple[tuple[str, str], ...] = (
    (r"DependencyNeverSatisfied",
     "the job that compiles its data ({compile}) did not end well: `cancel RUN`, then `resume RUN`"),
    (r"PartitionTimeLimit", "slurm.time_min={time} is more than slurm.partition={partition} allows" + CHANGE + "slurm.time_min"),
    (r"PartitionNodeLimit|BadConstraints|PartitionConfig|NodeDown",
     "no node of slurm.partition={partition} has what it asks for ({reason})" + CHANGE + "slurm.gres, slurm.constraint or slurm.mem_gb"),
    (r"(?:QOS|Assoc)\w*(?:PerJob|WallDuration|PerNode|NotAllowed)", "it asks for more than your account or QOS allows ({reason})" + CHANGE + "slurm setting"),
    (r"AccountNotAllowed|InvalidAccount", "its account may not use slurm.partition={partition}" + CHANGE + "slurm.account"),
    (r"InvalidQOS", "its QOS is not valid" + CHANGE + "slurm.qos"),
)  # fmt: skip
"""squeue's reason -> why the job never begins as it is; the first that matches."""


WAITS: tuple[tuple[str, str], ...] = (
    (r"None$", "waits for Slurm to look at it"),
    (r"Resources|Nodes required for job are DOWN", "waits for a free node"),
    (r"Priority", "waits behind jobs of higher priority"),
    (r"Dependency", "waits for job {compile}, which compiles its data"),
    (r"BeginTime", "waits to begin: {again}"),
    (r"JobArrayTaskLimit", "waits for its turn (slurm.array_parallelism={parallel})"),
    (r"JobHeldUser", "is held: `scontrol release {job}` lets it begin"),
    (r"JobHeldAdmin", "is held by the administrators of the cluster: ask them"),
    (r"JobHoldMaxRequeue|launch failed|job_requeued_in_held|RequeueHold|SpecialExit",
     "is held after it was requeued ({reason}): `scontrol release {job}` lets it begin"),
    (r"ReqNodeNotAvail", "waits: the nodes it asks for are down, drained or reserved ({reason})"),
    (r"PartitionDown|PartitionInactive", "waits: slurm.partition={partition} is closed now"),
    (r"QOS|Assoc|MaxJob|MaxMem", "waits: the limit of your account or QOS is reached ({reason})"),
    (r"Reservation", "waits for its reservation, or for one to end"),
    (r"Licenses", "waits for a license"),
    (r"Cleaning|NodeCleaning|Prolog", "waits for Slurm to tidy up after its last start"),
)  # fmt: skip
"""squeue's reason -> what it means; the first that matches."""
