"""What tracking costs twenty jobs that train at once, and what it loses: one server that they report to, one embedded store.

The jobs are real processes of ours with a kraken that plays its part, an epoch a second, all started at the same moment. To the
server each reports live; into the embedded store one `sync` records them all afterwards. A job waits for tracking where it
starts its reporter and where it waits for it at its end; these seconds are measured in the job and divided by the length of a
short real one, half an hour. What is lost is counted in the run folders' epochs, twice for the server: when the jobs have
ended, and after one `sync`. Prints one JSON line a figure.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "tests")]

JOBS = int(os.environ.get("HTR_EXP_BENCH_JOBS", "20"))
EPOCHS = 60
EPOCH_S = 1.0
JOB_S = 1800.0
LIMIT = 0.01


def job(run: str, waited: str) -> None:
    """Do one run, and write down how long it waited for its tracking."""
    from htr_exp.core.signals import Stop
    from htr_exp.pipeline import launch
    from htr_exp.runs.run_dir import RunDir
    from htr_exp.tracking import subprocesses

    spent = [0.0]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*values: Any) -> Any:
            before = time.monotonic()
            try:
                return function(*values)
            finally:
                spent[0] += time.monotonic() - before

        return wrapped

    subprocesses._reporter, subprocesses._end = timed(subprocesses._reporter), timed(subprocesses._end)
    launch.run_here(RunDir(Path(run)), stop=Stop(), quiet=True)
    Path(waited).write_text(str(spent[0]))


def all_at_once(scratch: Path, name: str, tracking: list[str]) -> tuple[Path, list[float]]:
    """Write and do all runs in a workspace of their own; return it, and what each waited."""
    from fakes.scenario import weights
    from helpers.fake_kraken import programs
    from helpers.page_files import make_pages
    from htr_exp.config.compose import compose_experiment
    from htr_exp.pipeline.plan import make_plan
    from htr_exp.pipeline.write import write_run

    workspace = scratch / name
    pages = make_pages(workspace / "pages")
    (workspace / "base.mlmodel").write_bytes(weights(accuracy=0.5))
    ketos = programs(workspace / "kraken")
    (workspace / "scenario.json").write_text(json.dumps({"epoch_seconds": EPOCH_S}))
    words = [f"dataset.path={pages}", f"model.path={workspace}/base.mlmodel", f"runtime.ketos={ketos}",
             f"site.workspace={workspace}", "split.validation=0.17", "split.test=0.17", "training.device=cpu",
             "training.quit=fixed", f"training.epochs={EPOCHS}", *tracking]  # fmt: skip
    runs = [
        write_run(make_plan(compose_experiment([*words, f"seed={n}"])), command=["htr_exp", "train"])[0]
        for n in range(JOBS)
    ]
    environment = os.environ | {"FAKE_KETOS": str(workspace / "scenario.json")}
    started = [
        subprocess.Popen(
            [sys.executable, str(HERE), str(run.path), str(run.live / "waited")], env=environment, stdout=sys.stderr
        )
        for run in runs
    ]
    for process in started:
        process.wait()
    return workspace, [float((run.live / "waited").read_text()) for run in runs]


def sync(workspace: Path, *words: str) -> None:
    """Record all runs of a workspace.

    Raises:
        RuntimeError: some could not be.
    """
    argv = [sys.executable, "-m", "htr_exp", "sync", f"--workspace={workspace}", *words]
    said = subprocess.run(argv, capture_output=True, text=True)
    if said.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit {said.returncode}\n{said.stderr}")


def losses(workspace: Path, database: Path) -> tuple[int, int, int, int]:
    """How many epochs the run folders have, how many of them a store lacks, how many it has twice, and how many jobs failed."""
    from htr_exp.runs.selection import runs_in

    query = (
        "SELECT t.value, m.step, m.value FROM metrics m JOIN runs r ON r.run_uuid = m.run_uuid "
        "JOIN tags t ON t.run_uuid = m.run_uuid AND t.key = 'htr_exp.uuid' "
        "WHERE m.key = 'val_cer' AND r.lifecycle_stage = 'active'"
    )
    with closing(sqlite3.connect(database, timeout=30)) as db:
        there = list(db.execute(query))
    runs = runs_in(workspace / "runs")
    wanted = {
        (run.facts()["run"]["uuid"], record["epoch"], record["val_cer"]) for run in runs for record in run.epochs()
    }
    failed = sum(run.state().state != "done" for run in runs)
    return len(wanted), len(wanted - set(there)), len(there) - len(set(there)), failed


def start_server(folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """Start MLflow's server on the loopback."""
    from htr_exp.tracking import store

    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    child = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
         "--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/files"],
        env=os.environ | store.environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    uri = f"http://127.0.0.1:{port}"
    while child.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=2):
            return uri, child
        time.sleep(0.3)
    raise RuntimeError("MLflow's server does not start")


def main() -> int:
    """Measure and print; exit 1 if a limit is missed."""
    missed = False

    def report(name: str, ratio: float, limit: float, **more: Any) -> None:
        nonlocal missed
        missed |= ratio > limit
        print(json.dumps({"name": f"{JOBS} jobs at once, {name}", "ratio": ratio, "limit": limit, **more}), flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-tracking-") as name:
        scratch = Path(name)
        os.environ["PYTHONPYCACHEPREFIX"] = str(scratch / "bytecode")  # as an installation has it
        os.environ["PYTHONPATH"] = str(HERE.parents[1])
        uri, server = start_server(scratch / "server")
        try:
            workspace, waited = all_at_once(scratch, "live", ["tracking=server", f"tracking.uri={uri}"])
            slowest = max(waited) / JOB_S
            report("one server: the slowest job's wait, of 30 minutes", slowest, LIMIT, seconds=sorted(waited))
            report("one server: the mean job's wait, of 30 minutes", sum(waited) / JOBS / JOB_S, LIMIT)
            for when, limit in (("when they end", 1.0), ("after sync", 0.0)):
                total, lost, twice, failed = losses(workspace, scratch / "server" / "server.db")
                report(f"one server: epochs lost {when}", lost / total, limit, epochs=total, lost=lost, twice=twice)
                sync(workspace)
            report("one server: failed jobs", failed / JOBS, 0.0)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
        workspace, waited = all_at_once(scratch, "embedded", ["tracking=embedded"])
        report("one embedded store: the slowest job's wait, of 30 minutes", max(waited) / JOB_S, LIMIT)
        before = time.monotonic()
        sync(workspace)
        took = time.monotonic() - before
        total, lost, twice, failed = losses(workspace, workspace / "mlflow.db")
        report("one embedded store: epochs lost after sync", lost / total, 0.0, epochs=total, twice=twice, sync_s=took)
        report("one embedded store: failed jobs", failed / JOBS, 0.0)
    return int(missed)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        job(*sys.argv[1:])
    else:
        sys.exit(main())
