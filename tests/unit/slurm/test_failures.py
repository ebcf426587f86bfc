from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.folders import SLURM_DATA
from htr_exp.slurm.failures import in_words, of_job, of_process
from htr_exp.slurm.jobs import Job

LOGS = [json.loads(line) for line in (SLURM_DATA / "logs.jsonl").read_text().splitlines()]
STARTED = """\
submitit INFO (2026-11-30 00:21:02,137) - Starting with JobEnvironment(job_id=148, hostname=gpu1, local_rank=0(1), node=0(1), global_rank=0(1))
submitit INFO (2026-11-30 00:21:02,138) - Loading pickle: /work/cache/jobs/148_submitted.pkl
"""
"""What submitit says at the start of every job, recorded with 1.5."""
ENDED = (
    "srun: error: gpu1: task 0: Exited with exit code 3\n",
    "ValueError: boom\n",
    "srun: Force Terminated StepId=150.0\n",
)

SETTINGS = {"partition": "publicgpu", "time_min": 300, "mem_gb": 8}


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log['cause']}: {log['text'].strip()[-40:]}")
def test_the_end_of_a_log_is_explained_with_the_next_step(log: dict[str, Any]) -> None:
    found = in_words(STARTED + "Epoch 3\nsome line\n" + log["text"], slurm=SETTINGS)
    assert found is not None
    assert found.cause == log["cause"]
    assert log["word"] in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "kraken says: MemoryError",
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 3.00 GiB for an array with shape (1, 2)",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.",
        "OSError: [Errno 12] Cannot allocate memory",
        "pyarrow.lib.ArrowMemoryError: malloc of size 4194304 failed",
        "memory allocation of 1048576 bytes failed",
        "kraken failed while compiling (exit code -9)",
        "kraken failed while compiling (exit code 137)",
        "/bin/sh: line 1: 4242 Killed",
        "RuntimeError: DataLoader worker (pid 3) is killed by signal: Killed. ",
    ],
)
def test_memory_is_named_whoever_speaks_of_it(text: str) -> None:
    found = in_words(f"Epoch 3\n{text}\n", slurm=SETTINGS)
    assert found is not None
    assert found.cause == "memory"
    assert "slurm.mem_gb=16" in found.remedy


def test_the_disk_that_a_program_names_is_named() -> None:
    found = in_words("OSError: [Errno 28] No space left on device: '/tmp/x/y.ckpt'\n")
    assert found is not None
    assert "where /tmp/x/y.ckpt is written" in found.sentence


@pytest.mark.parametrize(
    ("code", "said", "words"),
    [
        (-9, "", "killed (signal 9), as happens when memory is exceeded"),
        (-11, "", "ended by signal 11 (SIGSEGV)"),
        (1, "Traceback\nMemoryError\n", "the memory is exceeded"),
        (1, "RuntimeError: can't start new thread\n", "no more processes or threads"),
        (91, "", "the memory is exceeded (it had slurm.mem_gb=8): `resume RUN slurm.mem_gb=16` goes on with more"),
        (92, "", "no more processes or threads can be started: end some of yours"),
        (1, "the memory of this machine, as a page says\n", "ended with exit code 1"),
        (1, "ValueError: odd\n", "ended with exit code 1 before it could say why in the run folder (ValueError: odd)"),
        (0, "", "ended with exit code 0"),
    ],
)
def test_the_end_of_a_runs_own_process_is_told_by_how_it_ended(code: int, said: str, words: str) -> None:
    assert words in of_process(code, said, SETTINGS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Epoch 3\nall is well\n",
        "1 page killed the time",
        "errors 12 of 28 and 122",
        *(STARTED + end for end in ("", *ENDED)),
    ],
)
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    assert in_words(text) is None


def test_what_ended_an_earlier_start_does_not_explain_this_one() -> None:
    earlier = "slurmstepd: error: *** JOB 12 ON gpu1 CANCELLED AT 2026-11-23T20:26:20 DUE TO PREEMPTION ***\n"
    found = in_words("CUDA out of memory\n" + earlier + "OSError: [Errno 122] Disk quota exceeded\n")
    assert found is not None
    assert found.cause == "disk"
    only = in_words(earlier + "Epoch 3\n")
    assert only is not None
    assert only.cause == "preempted"


def test_without_slurm_no_setting_of_slurm_is_proposed() -> None:
    assert "slurm." not in str(in_words("MemoryError\n")).replace("slurm.runs_per_gpu", "")


ENDS: dict[str, tuple[Job, str, str, str]] = {
    "time limit": (Job("1", "TIMEOUT", exit_code="0:0"), "", "timed_out", "time limit of 300 min"),
    "deadline": (Job("1", "DEADLINE"), "", "timed_out", "slurm.time_min=600"),
    "memory of the cgroup": (Job("1", "OUT_OF_MEMORY", exit_code="0:125"), "", "failed", "resume RUN slurm.mem_gb=16"),
    "memory by its poll": (Job("1", "FAILED", exit_code="0:9"), "error: Exceeded job memory limit\n", "failed", "resume RUN slurm.mem_gb=16"),
    "killed without a word": (Job("1", "FAILED", exit_code="0:9"), "", "failed", "signal 9"),
    "killed in a shell": (Job("1", "FAILED", exit_code="9:0"), "", "failed", "signal 9"),
    "node failure": (Job("1", "NODE_FAIL", node="gpu1"), "", "interrupted", "node gpu1 of its job 1 failed"),
    "node that did not start": (Job("1", "BOOT_FAIL"), "", "interrupted", "the node of its job 1 failed"),
    "preemption": (Job("1", "PREEMPTED"), "", "interrupted", "preempted"),
    "scancel": (Job("1", "CANCELLED", by="ada"), "", "cancelled", "cancelled by ada (job 1)"),
    "scancel by who knows": (Job("1", "CANCELLED"), "", "cancelled", "cancelled (job 1)"),
    "scancel of what never could begin": (Job("1", "CANCELLED", reason="DependencyNeverSatisfied", by="ada"), "", "cancelled", "by ada"),
    "compile job failed": (Job("1", "CANCELLED", reason="DependencyNeverSatisfied"), "", "failed", "compiles its data"),
    "no place to write": (Job("1", "FAILED", exit_code="0:53", node="gpu1"), "", "failed", "could not write its output on gpu1"),
    "no word": (Job("1", "FAILED", exit_code="1:0"), "", "failed", "exit code 1"),
    "another signal": (Job("1", "FAILED", exit_code="0:11"), "", "failed", "by signal 11"),
    "its words": (Job("1", "FAILED", exit_code="1:0"), "No module named 'submitit'\n", "failed", "submitit"),
    "ended well, not done": (Job("1", "COMPLETED", exit_code="0:0"), "", "interrupted", "ended before the run was done"),
    "a state of the future": (Job("1", "SOMETHING_NEW"), "", "interrupted", "something new"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_the_end_of_a_job_is_a_state_and_a_sentence_with_the_next_step(name: str) -> None:
    job, log, state, words = ENDS[name]
    found, reason = of_job(job, log, SETTINGS)
    assert found == state
    assert words in reason
    assert "resume RUN" in reason


def test_what_compiles_for_a_run_and_fails_is_named() -> None:
    waited = Job("1", "CANCELLED")
    assert of_job(waited, "", SETTINGS, Job("7", "FAILED")) == (
        "failed",
        "the job that compiles its data failed (job 7: failed): `logs RUN` shows what it said; `resume RUN` tries again",
    )
    assert "slurm.mem_gb=16" in of_job(waited, "Exceeded job memory limit\n", SETTINGS, Job("7", "FAILED"))[1]
    state, reason = of_job(waited, "", SETTINGS, Job("7", "CANCELLED", by="ada"))
    assert (state, reason.split(":")[0]) == ("cancelled", "cancelled by ada")
    assert of_job(waited, "", SETTINGS, Job("7", "COMPLETED"))[0] == "cancelled"


def test_unknown_settings_are_not_invented() -> None:
    assert "slurm.time_min=MINUTES" in of_job(Job("1", "TIMEOUT"), "", {})[1]
