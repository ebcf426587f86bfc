"""Runs submitted to the cluster, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

from helpers.cluster import Cluster
from helpers.command_line import CommandLine
from helpers.waiting import until
from htr_exp.core.files import read_jsonl
from htr_exp.runs.run_dir import RunDir

ON_GPU1 = ("slurm=publicgpu", "slurm.nodelist=gpu1")
SHARING_GPU1 = (*ON_GPU1, "slurm.gres=null", "slurm.cpus_per_task=2", "slurm.mem_gb=1")
"""Several jobs at a time on the one node: none of the scripted programs needs its GPU."""


def submit(htr_exp: CommandLine, *words: str) -> RunDir:
    """Submit the small experiment, with changes, and return its run."""
    sent = htr_exp.train(*words, "--json")
    assert sent.code == 0, sent.stderr
    return RunDir(Path(sent.json["run"]))


def job_of(run: RunDir) -> str:
    return str(run.jobs[-1]["job"])


def begun(run: RunDir) -> list[dict[str, Any]]:
    """The rows of a run's starts, oldest first."""
    return [row for row in read_jsonl(run.starts) if "start" in row]


def legs(run: RunDir) -> list[dict[str, Any]]:
    """The rows of kraken's starts, oldest first."""
    return [row for row in read_jsonl(run.starts) if "leg" in row]


def resumed(run: RunDir) -> dict[str, Any]:
    """The row of kraken's first start after the run was begun a second time."""
    rows = read_jsonl(run.starts)
    return dict(next(row for row in rows[rows.index(begun(run)[1]) :] if "leg" in row))


def after_epochs(run: RunDir, count: int) -> None:
    until(lambda: len(run.epochs()) >= count, f"{count} epochs of {run.path}")


def restarted(run: RunDir, times: int = 1) -> None:
    until(lambda: len(begun(run)) > times, f"start {times + 1} of {run.path}")


def status(htr_exp: CommandLine, run: RunDir) -> dict[str, Any]:
    (row,) = htr_exp("status", "--json", run.name).json
    return dict(row)


def ends_as(state: str, run: RunDir, htr_exp: CommandLine, cluster: Cluster) -> dict[str, Any]:
    """Wait until a run's job is over; the run must then stand so. Return its row of `status`."""
    over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
    cluster.wait_for(job_of(run), *over)
    row = status(htr_exp, run)
    assert row["state"] == state, row["reason"] or run.log.read_text()[-2000:]
    cluster.wait(lambda: not processes_of(run), f"the processes of {run.path} to be gone")
    return row


def done_whole(run: RunDir, epochs: int, htr_exp: CommandLine, cluster: Cluster) -> dict[str, Any]:
    """Wait for a run's good end: every epoch once, everything scored, one folder, nothing left over."""
    row = ends_as("done", run, htr_exp, cluster)
    assert [record["epoch"] for record in run.epochs()] == list(range(1, epochs + 1))
    assert [folder.name for folder in run.path.parent.glob(f"*-{run.key[:8]}*")] == [run.name]
    result = run.result()
    assert result is not None
    assert result["test"]["best"]["lines"] == len(read_jsonl(run.predictions / "test.jsonl"))
    assert run.best.exists()
    assert not run.training.exists()
    assert accounted(cluster, job_of(run))[-1] == "COMPLETED"
    return row


def accounted(cluster: Cluster, job: str) -> list[str]:
    """What the accounts say of each start of a job, the newest last."""
    rows = [row for row in cluster.sacct(job) if row["JobID"] == job]
    # by submission, which every requeue renews: of a start that ended within its second the accounts know no Start
    return [row["State"].split()[0] for row in sorted(rows, key=lambda row: row["Submit"])]


def processes_of(run: RunDir) -> list[list[str]]:
    """The command lines of what runs for a run now, kraken's included: each names the folder."""
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [words for words in found if any(word.startswith(str(run.path)) for word in words)]
