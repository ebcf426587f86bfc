"""Slurm: does it answer, which partitions are there, what becomes of a run that another pushes aside, is what was asked for possible."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping

from htr_exp.cli.doctor.finding import TIMEOUT_S, Finding, error, finding_of, note, ok, warning
from htr_exp.config import rules
from htr_exp.config.schema import Experiment, Slurm
from htr_exp.core.files import utc_now
from htr_exp.core.program import NoAnswer
from htr_exp.core.text import counted, joined
from htr_exp.core.time_limit import within
from htr_exp.pipeline.sources import Sources
from htr_exp.slurm import cluster, jobs
from htr_exp.slurm.cluster import Configuration, Partition, Preemption
from htr_exp.slurm.programs import SlurmSilent

PROGRAMS = ("sbatch", "squeue", "sacct", "sinfo", "scontrol", "scancel")

ENOUGH_S = 10.0
"""So long kraken may need to write its state on a busy disk; the signal that tells a job to end gives it no more than it gives."""


def findings(experiment: Experiment) -> Iterator[Finding]:
    """Look at Slurm.

    Args:
        experiment: as composed; what it asks of Slurm is tried, and nothing is submitted.
    """
    settings = experiment.slurm
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if "sbatch" in absent:
        if settings.submit:
            yield error(
                f"slurm={settings.name}",
                "there is no sbatch here",
                "work on the cluster's login node, or use slurm=none",
            )
        else:
            yield note("Slurm", "there is none here: runs work on this machine (slurm=none)")
        return
    if absent:
        yield error(
            "programs",
            f"sbatch is here, but not {', '.join(absent)}",
            "ask the administrators for all of Slurm's programs",
        )
    try:
        configuration = within(TIMEOUT_S, cluster.configuration, "it (`scontrol show config`)")
        partitions = within(TIMEOUT_S, cluster.partitions, "`sinfo`")
        nodes = within(TIMEOUT_S, cluster.node_states, "`sinfo`")
    except (NoAnswer, SlurmSilent) as silent:
        yield _silent(str(silent), settings.submit)
        return
    yield ok("controller", f"answers: Slurm {configuration.version}, cluster {configuration.cluster}")
    if settings.submit:
        yield from _chosen(experiment)
    chosen = set((settings.partition or "").split(",")) & set(partitions) if settings.submit else set()
    for name in sorted(partitions, key=lambda name: (name not in chosen, name)):
        yield _partition(partitions[name], nodes.get(name, {}), is_chosen=name in chosen)
    yield from _preemption(experiment, configuration, nodes, chosen)
    yield _accounts(configuration)
    yield ok(
        "limits",
        f"a sweep may have up to {counted(max(configuration.max_array - 1, 0), 'job')}; a job that has to end is killed {configuration.kill_wait_s:g} s later",
    )


def _silent(words: str, submits: bool) -> Finding:
    if "configuration source" in words:
        found = f"its programs are here, but they know of no cluster ({words})"
        remedy = "work on the cluster's login node" + ", or use slurm=none" * submits
        return (error if submits else note)("Slurm", found, remedy)
    remedy = "wait some minutes and look again; if it lasts, ask the administrators"
    found = words if "does not answer" in words else f"does not answer: {words}"
    return (error if submits else warning)("controller", found, remedy)


def _chosen(experiment: Experiment) -> Iterator[Finding]:
    """Ask for what a run would ask for."""
    settings = experiment.slurm
    name = f"slurm={settings.name}"
    sources = Sources()
    try:
        problems = within(
            3 * TIMEOUT_S,
            lambda: rules.job_problems(experiment) or sources.slurm_problems(settings),
            "`sbatch --test-only`",
        )
    except NoAnswer as silent:
        yield error(name, str(silent), "wait some minutes and look again")
        return
    if not problems:
        yield ok(name, f"sbatch takes it: {_asked_for(settings)}")
        yield from (warning(name, said) for said in sources.slurm_warnings(settings))
    for problem in problems:
        instead = "change it on the command line, or in a conf/slurm/NAME.yaml of your folder"
        yield finding_of(name, problem, instead)


def _asked_for(settings: Slurm) -> str:
    words = [
        str(settings.partition),
        counted(settings.time_min or 0, "minute"),
        counted(settings.cpus_per_task or 0, "CPU"),
    ]
    words += [f"{settings.mem_gb:g} GB"] if settings.mem_gb else []
    return ", ".join(
        [*words, *(value for value in (settings.gres, settings.constraint, settings.account, settings.qos) if value)]
    )


def _partition(partition: Partition, nodes: Mapping[str, str], *, is_chosen: bool) -> Finding:
    limit = (
        "jobs without limit"
        if partition.max_time_min is None
        else f"jobs of up to {_span(60.0 * partition.max_time_min)}"
    )
    largest = (
        f"{counted(partition.cpus, 'CPU')} and {partition.mem_gb:g} GB"
        if partition.nodes == 1
        else f"at most {counted(partition.cpus, 'CPU')} and {partition.mem_gb:g} GB"
    )
    words = [f"{limit} on {counted(partition.nodes, 'node')} with {largest}"]
    words += [f"gres {', '.join(partition.gres)}"] if partition.gres else []
    words += [f"features {', '.join(partition.features)}"] if partition.features else []
    name, found = f"partition {partition.name}", "; ".join(words)
    out = Counter(state.rstrip("*~#!%$@^-+") for state in cluster.out_of_service(nodes).values())
    count = sum(out.values())
    if partition.state != "up":
        found = f"is {partition.state}, no job begins there: {found}"
    elif count:
        states = ", ".join(f"{number} {state}" for state, number in out.most_common())
        found = f"{found}; {'all of its nodes' if count == len(nodes) else f'{count} of its {len(nodes)} nodes'} out of service ({states})"
    if partition.state != "up" or (nodes and count == len(nodes)):
        remedy = "choose another partition, or wait: `sinfo -R` says why"
        return (warning if is_chosen else note)(name, found, remedy if is_chosen else None)
    return ok(name, found)


def _preemption(
    experiment: Experiment, configuration: Configuration, nodes: Mapping[str, Mapping[str, str]], chosen: set[str]
) -> Iterator[Finding]:
    name = "preemption"
    if configuration.preempt_type == "none":
        yield ok(name, "no job is pushed aside by another on this cluster")
        return
    by_qos = configuration.preempt_type == "qos"
    try:
        if by_qos:
            found = within(TIMEOUT_S, lambda: cluster.qos_preemption(configuration.preempt_mode), "`sacctmgr show qos`")
        else:
            found = within(TIMEOUT_S, lambda: cluster.partition_preemption(nodes), "`scontrol show partition`")
    except (NoAnswer, SlurmSilent) as silent:
        yield note(
            name,
            f"jobs may be pushed aside by others here, by {'QOS' if by_qos else 'partition'}, but which ones is not known ({silent})",
        )
        return
    if by_qos and experiment.slurm.qos:
        chosen = {experiment.slurm.qos}
    shown = {one: found[one] for one in found if (by_qos and not experiment.slurm.qos) or not chosen or one in chosen}
    what = "QOS" if by_qos else "partition"
    if not shown:
        yield ok(name, f"no run in {what} {', '.join(sorted(chosen)) or 'of any name'} is pushed aside by another")
    for one, rule in sorted(shown.items()):
        yield _pushed_aside(f"{what} {one}", rule, configuration, experiment)


def _pushed_aside(where: str, rule: Preemption, configuration: Configuration, experiment: Experiment) -> Finding:
    """Say what preemption means for a run."""
    by = f"{where.partition(' ')[0]} {joined(rule.by, 'or')}"
    found = f"a run in {where} may be pushed aside by a job of {by}"
    if configuration.exempt_s:
        found += f", not in its first {_span(configuration.exempt_s)}"
    values = f"PreemptMode={rule.mode}, GraceTime={rule.grace_s:g}, KillWait={configuration.kill_wait_s:g}"
    values += ", send_user_signal" * configuration.user_signal
    values += ", JobRequeue=0, which our jobs overrule" * (not configuration.requeues and rule.mode == "REQUEUE")
    if rule.mode == "SUSPEND":
        return ok("preemption", f"{found}: it stands still meanwhile and loses nothing ({values})")
    left = rule.grace_s + configuration.kill_wait_s
    told = "is told at once, " if rule.grace_s or configuration.user_signal else ""
    training = experiment.training
    at_most = (
        f"the epochs since its best one, at most training.lag={training.lag}"
        if training.quit == "early"
        else "the epoch under way"
    )
    if left >= ENOUGH_S:
        found += f": it {told}has {left:g} s to write its state, and loses at most the epoch under way"
    else:
        found += f": it has {left:g} s to write its state, which may be too few; then it loses {at_most}"
    if rule.mode == "CANCEL":
        return warning(
            "preemption",
            f"{found}; Slurm does not start it again ({values})",
            "`resume RUN` goes on; or choose a partition whose jobs are not pushed aside",
        )
    return ok(
        "preemption", f"{found}; Slurm puts it back into the queue, and it goes on from there by itself ({values})"
    )


def _accounts(configuration: Configuration) -> Finding:
    lost = (
        f"how a job ended is known for {_span(configuration.forgets_after_s)} only, as long as squeue shows it: look at `status` in that time, "
        "or a run whose job was killed is called interrupted without the reason"
    )
    if not configuration.accounts:
        return note("accounting", f"this cluster keeps none: {lost}")
    try:
        within(TIMEOUT_S, lambda: jobs.accounts(["1"], utc_now()), "sacct")
    except (NoAnswer, SlurmSilent) as silent:
        return warning(
            "accounting", f"sacct does not answer ({silent}): {lost}", "wait and look again, or ask the administrators"
        )
    return ok("accounting", "sacct remembers how every job ended")


def _span(seconds: float) -> str:
    """A time limit in the largest unit that shows it plainly: `24 hours`, `2.5 days`, `1 minute`."""
    for unit, length, least in (("day", 86400.0, 2), ("hour", 3600.0, 1), ("minute", 60.0, 1)):
        if seconds >= least * length:
            number = round(seconds / length, 1)
            return counted(int(number) if number.is_integer() else number, unit)
    return f"{seconds:g} s"
