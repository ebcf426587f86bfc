"""Failures in plain words: what a log's last lines, or Slurm's word on a job, mean for a run and what to do next."""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from htr_exp.core.run_state import RunState
from htr_exp.slurm.jobs import Job

Settings = Mapping[str, Any]

GONE = "{run}: the run folder is gone: moved, renamed or deleted since it was submitted; resume it where it is now"
"""What a job says of a run that is not where it was submitted."""

GOES_ON = "`resume RUN` goes on from the last checkpoint"


@dataclass(frozen=True)
class Failure:
    """Why something failed."""

    cause: str  # gpu_memory, memory, disk, module, gpu, time, preempted, node, python, launch, folder, file
    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.sentence}: {self.remedy}"


def in_words(text: str, *, slurm: Settings | None = None) -> Failure | None:
    """Recognise a failure in the last lines of a log.

    Args:
        text: the end of what kraken, a job or Slurm printed.
        slurm: the settings of the job, if it was one; the remedy then names its values.

    Returns:
        The failure, or None for one that is not known here.
    """
    # A log goes on through restarts: what ended an earlier start is not what ended this one.
    starts = [
        end.end() for end in re.finditer(r"DUE TO (?:PREEMPTION|NODE FAILURE|JOB REQUEUE).*", text, re.IGNORECASE)
    ]
    last = text[starts[-1] :] if starts else text
    for part in dict.fromkeys((last, text)):
        for pattern, explain in KNOWN:
            if found := re.search(pattern, part, re.IGNORECASE | re.MULTILINE):
                return explain(found, slurm or {})
    return None


def of_job(job: Job, log_tail: str, settings: Settings, compiled: Job | None = None) -> tuple[RunState, str]:
    """Say what a job that Slurm ended means for a run which did not tell so itself.

    Args:
        job: as Slurm remembers it; it has ended.
        log_tail: the last lines of Slurm's own output file, of `compiled` if that failed; "" if there is none.
        settings: the keys of the `slurm` group as the job was submitted.
        compiled: the job that it waited for, if Slurm remembers that.

    Returns:
        The run's state and one sentence with the next step.
    """
    words = in_words(log_tail, slurm=settings)
    if compiled is not None and compiled.ended and compiled.state != "COMPLETED" and job.state == "CANCELLED":
        if compiled.state == "CANCELLED":
            return (
                RunState.CANCELLED,
                f"cancelled{_by(compiled)}: job {compiled.id}, which compiles its data; `resume RUN` begins it again",
            )
        why = str(words) if words else "`logs RUN` shows what it said; `resume RUN` tries again"
        return (
            RunState.FAILED,
            f"the job that compiles its data failed (job {compiled.id}: {plain(compiled.state)}): {why}",
        )
    if job.state == "CANCELLED" and job.reason == "DependencyNeverSatisfied" and job.by is None:
        return (
            RunState.FAILED,
            f"the job that compiles its data did not end well, so that its job {job.id} never began: `resume RUN` tries again",
        )
    match job.state:
        case "COMPLETED":
            return RunState.INTERRUPTED, f"its job {job.id} ended before the run was done: {GOES_ON}"
        case "CANCELLED":
            return RunState.CANCELLED, f"cancelled{_by(job)} (job {job.id}): {GOES_ON}"
        case "TIMEOUT" | "DEADLINE":
            return RunState.TIMED_OUT, f"its job {job.id} met its time limit{_limit(settings)}: {_longer(settings)}"
        case "OUT_OF_MEMORY":
            return RunState.FAILED, str(_memory(f"its job {job.id} needed more memory than it had", settings))
        case "NODE_FAIL" | "BOOT_FAIL":
            where = f"node {job.node}" if job.node else "the node"
            return RunState.INTERRUPTED, f"{where} of its job {job.id} failed: {GOES_ON}"
        case "PREEMPTED":
            return RunState.INTERRUPTED, (
                f"its job {job.id} was preempted, and this cluster did not requeue it: {GOES_ON}; "
                "a partition or QOS of higher priority is not preempted"
            )
        case "FAILED":
            return RunState.FAILED, _of_exit(job, words)
    return RunState.INTERRUPTED, f"its job {job.id} ended ({plain(job.state)}): {GOES_ON}"


def of_process(code: int, said: str, settings: Settings) -> str:
    """Say why a run's own process ended that did not tell so in its folder.

    Args:
        code: its exit code, negative for a signal.
        said: the end of what it printed.
        settings: as for `in_words`.
    """
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
    if code in (-9, 137):
        return str(
            _memory("its process on the node was killed (signal 9), as happens when memory is exceeded", settings)
        )
    if code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        return f"its process on the node was ended by signal {number} ({_name(number)}): {GOES_ON}"
    if code in LACKED:
        return str(LACKING[LACKED[code]](settings))
    if code and (known := in_words(last, slurm=settings)):
        return str(known)
    ended = f"its process on the node ended with exit code {code} before it could say why in the run folder"
    return f"{ended}{f' ({last})' if code and last else ''}: `logs RUN` shows what there is; then `resume RUN`"


def of_step(said: str) -> str | None:
    """Why Slurm could not start a job's step, or lost it, in its own words; None where it says nothing of it.

    Args:
        said: the end of what the job printed; what srun and slurmstepd say of its last step comes last.
    """
    own = re.compile(r"(?:srun|slurmstepd)\S*: (error: )?(.*)")
    told = list(itertools.takewhile(bool, (own.match(line) for line in reversed(said.splitlines()) if line.strip())))
    return next((line[2] for line in reversed(told) if line and line[1]), None)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _of_exit(job: Job, words: Failure | None) -> str:
    if words is not None:
        return f"{words} (job {job.id})"
    code, _, ended_by = (job.exit_code or "").partition(":")
    if ended_by == "53":  # slurmstepd ends so when it cannot open the job's output file
        return (
            f"its job {job.id} could not write its output on {job.node or 'its node'}: the node does not see the workspace, "
            "may not write it, or the run folder was moved; then `resume RUN`"
        )
    if ended_by == "9" or code in ("9", "137"):
        return f"its job {job.id} was killed (signal 9), as happens when memory is exceeded: {GOES_ON}, slurm.mem_gb=GB gives it more"
    how = f"by signal {ended_by}" if ended_by not in ("", "0") else f"with exit code {code or '?'}"
    return f"its job {job.id} ended {how} before it could say why in the run folder: `logs RUN` shows what there is; then `resume RUN`"


def plain(state: str) -> str:
    """Slurm's word for a job's state as a user says it."""
    return WORDS.get(state, state.lower().replace("_", " "))


WORDS = {"NODE_FAIL": "its node failed", "BOOT_FAIL": "its node did not start", "OUT_OF_MEMORY": "out of memory",
         "TIMEOUT": "time limit", "DEADLINE": "its deadline has passed"}  # fmt: skip


def _by(job: Job) -> str:
    return f" by {job.by}" if job.by else ""


def _limit(settings: Settings) -> str:
    minutes = settings.get("time_min")
    return f" of {minutes} min" if minutes else ""


def _longer(settings: Settings) -> str:
    minutes = settings.get("time_min")
    return f"{GOES_ON}; slurm.time_min={2 * int(minutes) if minutes else 'MINUTES'} gives the next job longer"


def _memory(sentence: str, settings: Settings) -> Failure:
    given = settings.get("mem_gb")
    if not settings:
        return Failure("memory", sentence, f"free some memory, or set training.workers=0; {GOES_ON}")
    known = f" (it had slurm.mem_gb={given:g})" if given else ""
    return Failure(
        "memory", sentence + known, f"`resume RUN slurm.mem_gb={2 * given if given else 16:g}` goes on with more"
    )


def _gpu_memory(found: re.Match[str], settings: Settings) -> Failure:
    larger = ", or ask for a larger GPU with slurm.constraint=FEATURE" if settings else ""
    return Failure(
        "gpu_memory",
        "the GPU's memory is full",
        f"train with half of training.batch_size and twice of training.accumulate_grad_batches{larger}"
        " (with slurm.runs_per_gpu above 1: put fewer runs on a GPU)",
    )


def _module(found: re.Match[str], settings: Settings) -> Failure:
    name = next((group for group in found.groups() if group), "")
    return Failure(
        "module",
        f"there is no environment module {name.strip()}".rstrip() if name else "the node has no `module` command",
        "`module avail kraken` lists those there are" if name else "choose a kraken that needs none, with runtime.ketos=FILE",
    )  # fmt: skip


def _gone(found: re.Match[str], settings: Settings) -> Failure:
    return Failure("file", f"{found[1]} is not there", "put it back, or see whether this machine sees that folder; then `resume RUN`")  # fmt: skip


def _always(cause: str, sentence: str, remedy: str) -> Callable[[re.Match[str], Settings], Failure]:
    def explain(found: re.Match[str], settings: Settings) -> Failure:
        return Failure(cause, found.expand(sentence), remedy)

    return explain


LACKING: dict[str, Callable[[Settings], Failure]] = {
    "memory": lambda settings: _memory("the memory is exceeded", settings),
    "processes": lambda settings: Failure(
        "processes",
        "no more processes or threads can be started",
        f"end some of yours, or ask the administrators for a higher limit (`ulimit -u`); {GOES_ON}",
    ),
}
"""What the system did not give (`core.errors.Lacking`) -> what it means."""

LACKED = {91: "memory", 92: "processes"}
"""The exit codes by which a run's own process says so."""


KNOWN: tuple[tuple[str, Callable[[re.Match[str], Settings], Failure]], ...] = (
    (r"OutOfMemoryError|CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED", _gpu_memory),
    (r"(?:No space left on device|Disk quota exceeded)(?:: '?(/[^'\n]+))?", lambda found, settings: Failure(
        "disk", f"the disk or the quota is full{f', where {found[1]} is written' if found[1] else ''}", f"free some space; then {GOES_ON}")),
    (r"insufficient shared memory|unable to (?:write to file|open shared memory)|Bus error",
     _always("memory", "the node's shared memory (/dev/shm) is full", f"set training.workers=0; {GOES_ON}")),
    (r"oom[-_ ]kill|out-of-memory handler|exceeded (?:job |step )?memory limit|exceeded virtual memory limit|: Out Of Memory$"
     r"|MemoryError\b|can't allocate memory|Cannot allocate memory|Unable to allocate \S+ \wi?B|[Mm]emory allocation (?:of|failed)"
     r"|\b(?:re|m)alloc of size|virtual memory exhausted|std::bad_alloc|bad allocation|killed by signal: Killed|^\s*Killed\b|\b\d+ Killed\b",
     lambda found, settings: LACKING["memory"](settings)),
    (r"\(exit code (?:-9|137)\)",
     lambda found, settings: _memory("kraken was killed (signal 9), as happens when memory is exceeded", settings)),
    (r"can't start new thread|pthread_create failed|Thread creation failed|fork: (?:retry: )?Resource temporarily unavailable"
     r"|\[Errno 11\] Resource temporarily unavailable",
     lambda found, settings: LACKING["processes"](settings)),
    (r"module\(s\) are unknown:?\s*\"?([^\"\n]*)|Unable to locate a modulefile for '?([^'\n]*)'?|module: (?:command )?not found", _module),
    (r"CUDA driver version is insufficient|no CUDA-capable device|No CUDA GPUs are available|Found no NVIDIA driver"
     r"|no kernel image is available|not compiled with CUDA|CUDA-capable device\(s\) is/are busy|uncorrectable ECC|CUDA unknown error"
     r"|CUDA error: (?:device not ready|unspecified launch failure|an illegal|device-side)|No supported gpu backend",
     lambda found, settings: Failure("gpu", f"the GPU cannot be used ({found[0]})", "ask for one with slurm.gres=gpu:1, leave this node out with "
     "slurm.exclude=NODE, or use training.device=cpu")),
    (GONE.format(run=r"(?:\S+Z )?(/[^\n]*)"),
     _always("folder", r"its job did not find it at \1, where it was submitted: it was moved or renamed", "`resume RUN` submits it from where it is now")),
    # submitit names the file at every start, too
    (r"could not find submitted jobs in path|No such file or directory: '?[^'\n]*_submitted\.pkl",
     _always("folder", "the job did not find what was submitted: the workspace is not there on the node, or was moved",
             "see that the nodes see it under the same path; then `resume RUN`")),
    (r"couldn't chdir to [`']?([^':\n]+)",
     _always("folder", r"the node does not see \1", "put the workspace where the nodes see it under the same path; then `resume RUN`")),
    (r"Could not open std(?:out|err) file:? ?([^:\n]*)",
     _always("folder", r"the node could not write the job's output \1", "see that the nodes can write the workspace; then `resume RUN`")),
    (r"No module named '?([\w.]+)",
     _always("python", r"Python on the node has no \1", "use a Python environment that the nodes see and that has it, and submit from it; then `resume RUN`")),
    (r"Unable to create step for job \d+: ([^\n]*)",
     _always("launch", r"Slurm could not start the work on the node (\1)", f"{GOES_ON}, slurm.exclude=NODE on another node")),
    (r"task \d+ launch failed: ([^\n]*)",
     _always("launch", r"Slurm could not start the work on the node (\1)", f"{GOES_ON}, slurm.exclude=NODE on another node")),
    (r"No such file or directory: '?([^'\n]+)", _gone),
    (r"DUE TO TIME LIMIT", lambda found, settings: Failure("time", f"the job met its time limit{_limit(settings)}", _longer(settings))),
    (r"DUE TO PREEMPTION", _always("preempted", "the job was preempted by one of higher priority", GOES_ON)),
    (r"DUE TO NODE FAILURE", _always("node", "the node failed", GOES_ON)),
    (r"^srun: error: Node failure on (\S+)", _always("node", r"node \1 failed", GOES_ON)),
)  # fmt: skip
"""What a log says -> what it means; the first that is found, so that causes come before what follows from them."""
