"""sbatch's refusals in plain words: its own, the key with the value as typed, what to change."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from htr_exp.core.problem import Problem
from htr_exp.core.text import joined
from htr_exp.slurm.cluster import Partition, node_states, out_of_service, partitions
from htr_exp.slurm.programs import SlurmSilent, number, own_words, run_program


def test_script(script: str) -> str | None:
    """Ask sbatch whether it would take a job script. Return None if so, else its own words.

    Raises:
        SlurmSilent: there is no sbatch here, or it does not answer.
    """
    code, said = run_program(["sbatch", "--test-only"], stdin=script)
    return (own_words(said) or f"exit code {code}") if code else None


Settings = Mapping[str, Any]
Explanation = tuple[str, str]
"""What is wrong, and what to do."""


def meaning(words: str, settings: Settings) -> Problem:
    """sbatch's refusal in plain words: its own, the key with the value as typed, what to change.

    Args:
        words: what `test_script`, or sbatch, said.
        settings: the keys of the `slurm` group.
    """
    said = own_words(words)
    for pattern, explain in REFUSALS:
        if found := re.search(pattern, said, re.IGNORECASE):
            what, remedy = explain(settings, found)
            return Problem(f"sbatch: {said}: {what}", remedy, "sbatch")
    return Problem(
        f"sbatch: {said}",
        "change what it names, with slurm.KEY=VALUE (other options: slurm.extra.OPTION=VALUE)",
        "sbatch",
    )


NOT_NOW = r"node configuration is not available|required node not available"
"""What sbatch's test says of a job that no node can take, and just the same of one that must wait for nodes out of service."""


def verdict(script: str, settings: Settings) -> tuple[str | None, str | None]:
    """Ask sbatch whether it would take a job script.

    Args:
        script: the job's.
        settings: the keys of the `slurm` group.

    Returns:
        What it refuses, in its own words, and why the job would wait; of both at most one, or None.

    Raises:
        SlurmSilent: there is no sbatch here, or it or sinfo does not answer.
    """
    words = test_script(script)
    waits = waits_for(words, settings) if words else None
    if words and not waits and re.search(NOT_NOW, words, re.IGNORECASE) and _some_fits(settings, partitions()):
        # the nodes that sbatch did not find are in service now: Slurm was started again a moment ago
        words = test_script(script)
    return (None, waits) if waits else (words, None)


def waits_for(words: str, settings: Settings) -> str | None:
    """Why a job would wait that sbatch's test refuses; None where sbatch would refuse the job itself.

    Args:
        words: what `test_script` said.
        settings: the keys of the `slurm` group.

    Raises:
        SlurmSilent: sinfo does not answer.
    """
    if not re.search(NOT_NOW, words, re.IGNORECASE):
        return None
    known, states = partitions(), node_states()
    names = [name for name in str(settings.get("partition")).split(",") if name in known]
    out = {node: state for name in names for node, state in out_of_service(states.get(name, {})).items()}
    if not out or not _some_fits(settings, known):
        return None
    nodes = joined([f"{node} is {state.rstrip('*')}" for node, state in sorted(out.items())])
    return (
        f"{_typed(settings, 'partition')}: nodes that could do this are out of service now ({nodes}), and Slurm lets the job "
        "wait for them; `sinfo -R` says why"
    )


def of_the_shell() -> str | None:
    """Which variables of the shell sbatch would take for its options, which are not used here; None where there are none."""
    unused = sorted(name for name in os.environ if name.startswith("SBATCH_"))
    if not unused:
        return None
    return f"{joined(unused)} of your shell: not used; what a job asks for is set with slurm.KEY=VALUE alone"


def _some_fits(settings: Settings, known: Mapping[str, Partition]) -> bool:
    """Whether one of the partitions that a job may use has nodes for it."""
    names = [name for name in str(settings.get("partition")).split(",") if name in known]
    return any(_fits(settings, known[name]) for name in names)


def _fits(settings: Settings, partition: Partition) -> bool:
    """Whether the largest node of a partition has what a job asks for, as far as plain words tell; sbatch has the last word."""
    packed = settings.get("runs_per_gpu") or 1
    gres = {word.rpartition(":")[0]: number(word.rpartition(":")[2]) for word in partition.gres}
    kind, _, count = str(settings.get("gres") or "").rpartition(":")
    return (
        (settings.get("cpus_per_task") or 1) * packed <= partition.cpus
        and (settings.get("mem_gb") or 0) * packed <= partition.mem_gb
        and (
            not kind
            or number(count) <= max((n for word, n in gres.items() if f"{word}:".startswith(f"{kind}:")), default=0)
        )
        and all(word in partition.features for word in re.findall(r"[\w.-]+", settings.get("constraint") or ""))
    )


def _typed(settings: Settings, *keys: str) -> str:
    """Keys with their values as they are typed; those that are set, or the first."""
    values = {key: settings.get(key) for key in keys}
    return " ".join(f"slurm.{key}={value}" for key, value in values.items() if value is not None) or f"slurm.{keys[0]}"


def _partition_here(settings: Settings) -> Partition | None:
    try:
        return partitions().get(str(settings.get("partition")))
    except SlurmSilent:
        return None


def _no_partition(settings: Settings, found: re.Match[str]) -> Explanation:
    try:
        known = f"choose one of {', '.join(sorted(partitions()))}"
    except SlurmSilent:
        known = "`sinfo -o %P` lists them"
    if settings.get("partition") is None:
        return "slurm.partition is not set, and this cluster has no default", known
    return f"{_typed(settings, 'partition')} is no partition of this cluster", known


def _too_long(settings: Settings, found: re.Match[str]) -> Explanation:
    here = _partition_here(settings)
    limit = f"at most slurm.time_min={here.max_time_min}" if here and here.max_time_min else "less"
    what = f"{_typed(settings, 'time_min')} is more than {_typed(settings, 'partition', 'qos')} allows"
    return what, f"choose {limit}"


def _no_such_node(settings: Settings, found: re.Match[str]) -> Explanation:
    typed = _typed(settings, "gres", "constraint", "cpus_per_task", "mem_gb", "nodelist", "exclude")
    packed = settings.get("runs_per_gpu") or 1
    several = f" (CPUs and memory are of one run, and slurm.runs_per_gpu={packed} share a job)" if packed > 1 else ""
    return f"no node has {typed}{several}: {_what_there_is(settings)}", "ask for less"


def _what_there_is(settings: Settings) -> str:
    here = _partition_here(settings)
    if here is None:
        return "`sinfo -e -o '%P %c %m %G %f'` says what nodes have"
    return (
        f"the largest node of slurm.partition={here.name} has {here.cpus} CPUs and {here.mem_gb:g} GB, "
        f"gres {', '.join(here.gres) or 'none'}, features {', '.join(here.features) or 'none'}"
    )


OPTIONS = {"time": "time_min", "mem": "mem_gb"}
"""Options of sbatch that have another name, and unit, here."""


def _malformed(settings: Settings, found: re.Match[str]) -> Explanation:
    key = OPTIONS.get(found[1], found[1].replace("-", "_"))
    if key not in settings or key == "extra":
        value = (settings.get("extra") or {}).get(found[1])
        return f"slurm.extra.{found[1]}={value} is not as sbatch wants it (`man sbatch`)", ""
    return f"{_typed(settings, key)} is not as sbatch wants it (`man sbatch`, --{found[1]})", ""


def _names(*keys: str, what: str, remedy: str) -> Callable[[Settings, re.Match[str]], Explanation]:
    return lambda settings, found: (f"{_typed(settings, *keys)}: {what}", remedy)


YOURS = "`sacctmgr show assoc user=$USER format=account,partition,qos` lists yours"

REFUSALS: tuple[tuple[str, Callable[[Settings, re.Match[str]], Explanation]], ...] = (
    (r"unrecognized option:? '?-*([\w-]+)",
     lambda settings, found: (f"slurm.extra.{found[1]}: sbatch has no such option here", "`sbatch --help` lists them")),
    (r"invalid --([\w-]+) specification", _malformed),
    (r"MaxSubmit|MaxJobCount",
     lambda settings, found: ("so many jobs may not wait at once", "wait until some have ended and run the same command "
     "again, give fewer points, or put several runs in one job with slurm.runs_per_gpu")),
    (r"MaxWall", _too_long),
    (r"accounting/QOS policy|\b(?:QOS|Assoc)\w*(?:Max|Min|Grp|Limit)",
     _names("qos", "account", "time_min", "gres", "mem_gb", "cpus_per_task", what="more than your account or QOS may have",
            remedy="ask for less, wait for jobs to end, or choose another slurm.qos or slurm.account")),
    (r"group not permitted|required partition not available|user not in",
     _names("partition", what="it is closed to you, or down", remedy="choose another (`sinfo -o '%P %a %l'`)")),
    (r"account/partition|invalid account|accounts? .*not (?:permitted|allowed)",
     _names("account", "partition", what="this account does not exist, or may not use this partition", remedy=YOURS)),
    (r"invalid partition|no partition specified", _no_partition),
    (r"invalid qos|qos .*not (?:permitted|allowed)|QOS.*usage threshold",
     _names("qos", what="not a QOS of yours, or not in this partition", remedy=YOURS)),
    (r"time limit", _too_long),
    (r"invalid feature|feature specification",
     lambda settings, found: (f"{_typed(settings, 'constraint')}: no node has it", _what_there_is(settings))),
    (r"generic resource|\bgres\b",
     lambda settings, found: (f"{_typed(settings, 'gres')}: not a resource of this cluster", _what_there_is(settings))),
    (r"node configuration|can ?not be satisfied|partition configuration|more processors requested|memory required by task",
     _no_such_node),
    (r"node name|nodes? not in this partition|required node not available|node list",
     _names("nodelist", "exclude", what="not a node of this partition", remedy="`sinfo -N -o '%N %P %T'` lists the nodes and their partitions")),
    (r"array", _names("array_parallelism", what="the sweep has more points than this cluster takes in one array "
                      "(`scontrol show config | grep MaxArraySize`)", remedy="give fewer points")),
    (r"reservation", _names("extra", what="there is no such reservation", remedy="`scontrol show reservation` lists those there are")),
    (r"wckey", _names("extra", what="this cluster wants another one", remedy="slurm.extra.wckey=NAME")),
    (r"unable to contact|socket timed out|zero bytes|connection refused|configuration source|rate limit|backup controller",
     lambda settings, found: ("Slurm does not answer", "wait some minutes and run the same command again")),
)  # fmt: skip
"""What sbatch says -> how it is explained; the first that is found. Texts: src/common/slurm_errno.c of Slurm."""
