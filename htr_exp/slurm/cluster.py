"""The cluster: its partitions and nodes, how it is set up, and which jobs push others aside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from htr_exp.slurm.programs import answer, known, number, seconds


@dataclass(frozen=True)
class Partition:
    """A partition and the nodes it has."""

    name: str
    state: str  # up, down, drain, inact
    max_time_min: int | None  # None: without limit
    nodes: int
    cpus: int  # of its largest node
    mem_gb: float  # of its largest node
    features: tuple[str, ...]
    gres: tuple[str, ...]  # per node, one word for each kind of node: gpu:4, gpu:a100:2


@dataclass(frozen=True)
class Configuration:
    """What a cluster's administrators have set, as far as it decides how a job lives and ends."""

    cluster: str
    version: str
    preempt_type: str  # none, partition_prio, qos
    preempt_mode: str  # REQUEUE, CANCEL, SUSPEND, OFF: where neither partition nor QOS says another
    exempt_s: float  # a job is not preempted before it has run so long
    user_signal: bool  # a preempted job gets the signal at once that it asked for near its time limit
    kill_wait_s: float  # from SIGTERM to SIGKILL
    requeues: bool  # a job that does not say whether it may be started again may
    accounts: bool  # sacct remembers jobs
    forgets_after_s: float  # how long squeue shows a job that has ended
    max_array: int  # jobs of one array


@dataclass(frozen=True)
class Preemption:
    """Which jobs push others aside, and what becomes of those."""

    by: tuple[str, ...]  # partitions, or QOS, whose jobs do so
    mode: str  # REQUEUE, CANCEL, SUSPEND
    grace_s: float  # from the first SIGTERM to the end


def partitions() -> dict[str, Partition]:
    """The partitions that the present user sees.

    Raises:
        SlurmSilent: sinfo does not answer.
    """
    said = answer(["sinfo", "-h", "-e", "-o", "%R|%a|%l|%D|%c|%m|%G|%f"])
    kinds: dict[str, list[list[str]]] = {}
    for line in said.splitlines():
        name, *values = (value.strip() for value in line.split("|", 7))
        if len(values) == 7:
            kinds.setdefault(name, []).append(values)
    return {name: _partition(name, rows) for name, rows in kinds.items()}


def _partition(name: str, kinds: Sequence[Sequence[str]]) -> Partition:
    limit = seconds(kinds[0][1])
    gres = {re.sub(r"\(.*?\)", "", word) for kind in kinds for word in kind[5].split(",") if known(word)}
    features = {word for kind in kinds for word in re.split(r"[,|]", kind[6]) if known(word)}
    return Partition(
        name=name,
        state=kinds[0][0],
        max_time_min=None if limit is None else int(limit // 60),
        nodes=sum(number(kind[2]) for kind in kinds),
        cpus=max(number(kind[3]) for kind in kinds),
        mem_gb=round(max(number(kind[4]) for kind in kinds) / 1024, 1),
        features=tuple(sorted(features)),
        gres=tuple(sorted(gres)),
    )


def configuration() -> Configuration:
    """How the cluster is set up.

    Raises:
        SlurmSilent: the controller does not answer.
    """
    said = answer(["scontrol", "show", "config"])
    values = dict(re.findall(r"^(\S+)[ \t]*=[ \t]*(.*?)[ \t]*$", said, re.MULTILINE))

    def of(name: str) -> str:
        return known(str(values.get(name, ""))) or ""

    signals = f"{of('SlurmctldParameters')},{of('PreemptParameters')}".lower()  # its place changed with 23.02
    return Configuration(
        cluster=of("ClusterName"),
        version=of("SLURM_VERSION"),
        preempt_type=of("PreemptType").rpartition("/")[2] or "none",
        preempt_mode=_kind(of("PreemptMode")),
        exempt_s=seconds(of("PreemptExemptTime")) or 0.0,
        user_signal="send_user_signal" in signals,
        kill_wait_s=float(number(of("KillWait"))),
        requeues=of("JobRequeue") != "0",
        accounts=of("AccountingStorageType").rpartition("/")[2] not in ("", "none"),
        forgets_after_s=float(number(of("MinJobAge"))),
        max_array=number(of("MaxArraySize")),
    )


def partition_preemption(nodes: Mapping[str, Mapping[str, str]]) -> dict[str, Preemption]:
    """The partitions whose jobs may be preempted by those of other partitions, where Slurm goes by partitions.

    Args:
        nodes: of each partition, as `node_states` returns them: only jobs on the same nodes meet.

    Raises:
        SlurmSilent: the controller does not answer.
    """
    rows = [
        dict(word.split("=", 1) for word in line.split() if "=" in word)
        for line in answer(["scontrol", "-o", "show", "partition"]).splitlines()
    ]
    known = {row["PartitionName"]: row for row in rows if "PartitionName" in row}
    found = {}
    for name, row in known.items():
        mode = row.get("PreemptMode", "OFF").upper()
        by = [
            other
            for other, rival in known.items()
            if number(rival.get("PriorityTier", "")) > number(row.get("PriorityTier", ""))
            and nodes.get(other, {}).keys() & nodes.get(name, {}).keys()
        ]
        if by and mode != "OFF":
            found[name] = Preemption(tuple(by), _kind(mode), float(number(row.get("GraceTime", ""))))
    return found


def qos_preemption(default_mode: str) -> dict[str, Preemption]:
    """The QOS whose jobs may be preempted by those of other QOS, where Slurm goes by QOS.

    Args:
        default_mode: what becomes of a job whose QOS does not say it.

    Raises:
        SlurmSilent: sacctmgr does not answer.
    """
    said = answer(["sacctmgr", "-n", "-P", "show", "qos", "format=name,preempt,preemptmode,gracetime"])
    rows = [line.split("|") for line in said.splitlines() if line.count("|") == 3]
    by: dict[str, list[str]] = {}
    for name, victims, _, _ in rows:
        for victim in filter(None, victims.split(",")):
            by.setdefault(victim, []).append(name)
    return {
        name: Preemption(
            tuple(by[name]),
            _kind(default_mode if mode.lower() in ("", "cluster") else mode.upper()),
            seconds(grace) or 0.0,
        )
        for name, _, mode, grace in rows
        if name in by
    }


def _kind(mode: str) -> str:
    """The one of several words of a PreemptMode that says what becomes of a job: GANG,SUSPEND suspends it."""
    return next((word for word in ("SUSPEND", "REQUEUE", "CANCEL") if word in mode.upper()), mode)


OUT_OF_SERVICE = ("down", "drain", "fail", "maint", "not_responding", "unknown", "powered_down")
"""Words of the states of a node on which no job begins."""


def out_of_service(nodes: Mapping[str, str]) -> dict[str, str]:
    """Those nodes on which no job begins now.

    Args:
        nodes: of a partition, with their states as `node_states` returns them.
    """
    return {node: state for node, state in nodes.items() if any(word in state.lower() for word in OUT_OF_SERVICE)}


def node_states() -> dict[str, dict[str, str]]:
    """The nodes of each partition with their states: idle, mixed, allocated, down, drained, ...

    Raises:
        SlurmSilent: sinfo does not answer.
    """
    found: dict[str, dict[str, str]] = {}
    for line in answer(["sinfo", "-h", "-N", "-o", "%N|%R|%T"]).splitlines():
        if line.count("|") == 2:
            node, partition, state = line.split("|")
            found.setdefault(partition.strip(), {})[node.strip()] = state.strip()
    return found
