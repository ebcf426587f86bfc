"""Runs that report to a tracking server as they go, and what a server can do to them: nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.waiting import until
from htr_exp.core.own_command import own_command
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import store, writer

pytest.importorskip("flask", reason="a tracking server needs the whole of MLflow: pip install 'htr-exp[mlflow]'")


class Server:
    """A real tracking server on the loopback that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.folder, self.uri = folder, f"http://127.0.0.1:{self.port}"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._child is not None:
            return
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        command += ["--artifacts-destination", f"{self.folder}/files"]
        environment = os.environ | store.environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self._child = subprocess.Popen(
            command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers, "the server")

    def stop(self) -> None:
        if self._child is not None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            self._child = None

    def _answers(self) -> bool:
        assert self._child is not None
        assert self._child.poll() is None
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return True
        except OSError:
            time.sleep(0.2)
            return False

    def runs(self, question: str) -> list[Any]:
        """The runs that answer a question, without the parents of sweeps."""
        client = writer.client(self.uri)
        experiment = client.get_experiment_by_name(question)
        found = client.search_runs([experiment.experiment_id]) if experiment else []
        return [run for run in found if "htr_exp.uuid" in run.data.tags]

    def curve(self, run: Any) -> list[tuple[int, float]]:
        """What the server has of the validation CER, in the order of the epochs."""
        points = writer.client(self.uri).get_metric_history(run.info.run_id, "val_cer")
        return sorted((point.step, point.value) for point in points)


@pytest.fixture(scope="module", autouse=True)
def _bytecode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let every process find MLflow compiled, as where it is installed: its import takes five seconds more without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        yield


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("server"))
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def server(running_server: Server) -> Server:
    running_server.start()
    return running_server


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def to(uri: str, *more: str) -> tuple[str, ...]:
    return ("tracking=server", f"tracking.uri={uri}", *more)


def curve_of(run: RunDir) -> list[tuple[int, float]]:
    return [(record["epoch"], record["val_cer"]) for record in run.epochs()]


def reporter_of(process: subprocess.Popen[str]) -> psutil.Process:
    """The process that reports the run of a command line."""

    def found() -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(process.pid).children(recursive=True)
            return [child for child in children if "htr_exp.tracking.live" in child.cmdline()]
        return []

    return until(found, "the reporter")[0]


@pytest.mark.slow
def test_epochs_appear_while_the_run_is_under_way(htr_exp: CommandLine, scenario: Scenario, server: Server) -> None:
    scenario.play(hold_after=2, epoch_seconds=0.3)
    process = htr_exp.start(*htr_exp.training(*to(server.uri, "question=live", "training.epochs=20", "--json")))
    under_way = until(lambda: [run for run in server.runs("live") if "val_cer" in run.data.metrics], "an epoch")[0]
    assert len(server.curve(under_way)) <= 2
    assert under_way.info.status == "RUNNING"
    scenario.go_on()
    done = htr_exp.end(process)
    assert done.code == 0
    (ended,) = server.runs("live")
    missed = "is not wholly in MLflow" in " ".join(done.stderr.split())  # on a machine too busy for the last record
    assert missed or ended.info.status == "FINISHED"
    (again,) = htr_exp("sync", "--json").json
    assert again["problem"] is None
    assert missed or not again["changed"]
    (ended,) = server.runs("live")
    assert (ended.info.run_id, ended.info.status) == (under_way.info.run_id, "FINISHED")
    (run,) = htr_exp.runs
    assert server.curve(ended) == curve_of(run)
    assert len(server.curve(ended)) == 20
    assert ended.data.metrics["test_cer"] == run.result()["test"]["best"]["cer"]
    shown = {one.path for one in writer.client(server.uri).list_artifacts(ended.info.run_id)}
    assert {"best.mlmodel", "results.json", "log.txt", "metrics.jsonl", "predictions"} <= shown
    assert ("not reported" in run.log.read_text()) == missed
    assert not (htr_exp.folder / "mlflow.db").exists()


@pytest.mark.slow
def test_server_that_goes_away_in_the_middle_costs_nothing_and_sync_fills_the_gap(
    htr_exp: CommandLine, scenario: Scenario, server: Server
) -> None:
    scenario.play(hold_after=2)
    process = htr_exp.start(*htr_exp.training(*to(server.uri, "question=away", "training.epochs=20")))
    before = until(lambda: [run for run in server.runs("away") if "val_cer" in run.data.metrics], "an epoch")[0]
    server.stop()
    scenario.go_on()
    done = htr_exp.end(process)
    assert done.code == 0
    (run,) = htr_exp.runs
    assert f"warning: {run.name} is not wholly in MLflow" in " ".join(done.stderr.split())
    assert len(run.epochs()) == 20
    said = [line for line in run.log.read_text().splitlines() if "not reported live" in line]
    assert said  # one line each time that it stops answering, which a busy one does also while it is there
    for line in said:
        assert any(
            words in line for words in (f": {server.uri}: ", f"{server.uri} does not answer", "did not take the end")
        )
        assert line.endswith(f"; `{own_command('sync')}` records it")
    server.start()
    assert len(server.curve(before)) < 20
    synced = htr_exp("sync", "--json")
    assert [(row["run_id"], row["changed"], row["store"]) for row in synced.json] == [
        (before.info.run_id, True, server.uri)
    ]
    (after,) = server.runs("away")
    assert (server.curve(after), after.info.status) == (curve_of(run), "FINISHED")


@pytest.mark.slow
def test_killed_run_goes_on_in_the_same_mlflow_run(htr_exp: CommandLine, scenario: Scenario, server: Server) -> None:
    scenario.play(hold_after=2)
    words = htr_exp.training(*to(server.uri, "question=killed", "training.epochs=40", "--json"))
    process = htr_exp.start(*words)
    reporter = reporter_of(process)
    before = until(lambda: [run for run in server.runs("killed") if "val_cer" in run.data.metrics], "an epoch")[0]
    process.kill()
    process.communicate()
    scenario.go_on()
    until(lambda: not reporter.is_running() or reporter.status() == psutil.STATUS_ZOMBIE, "the reporter to end")
    syncs = [htr_exp.start("sync", "--json", "last") for _ in range(2)]
    assert {htr_exp.end(sync).code for sync in syncs} == {0}
    (killed,) = server.runs("killed")
    assert (killed.info.run_id, killed.info.status) == (before.info.run_id, "KILLED")
    assert htr_exp(*words).code == 0
    assert htr_exp("sync").code == 0
    (ended,) = server.runs("killed")
    (run,) = htr_exp.runs
    assert (ended.info.run_id, ended.info.status) == (before.info.run_id, "FINISHED")
    assert ended.data.tags["htr_exp.restarts"] == "1"
    assert server.curve(ended) == curve_of(run)


@pytest.mark.slow
def test_four_runs_at_once_have_every_metric_once(htr_exp: CommandLine, scenario: Scenario, server: Server) -> None:
    scenario.play(hold_after=2)
    sweep = ("-m", "seed=1,2,3,4", "launch.jobs=4", "training.epochs=10", "question=four")
    process = htr_exp.start(*htr_exp.training(*to(server.uri, *sweep, "--json")))
    until(lambda: len([run for run in server.runs("four") if "val_cer" in run.data.metrics]) == 4, "all four")
    scenario.go_on()
    done = htr_exp.end(process)
    assert done.code == 0
    assert [row["state"] for row in done.json] == ["done"] * 4
    assert [row["problem"] for row in htr_exp("sync", "--json").json] == [None] * 4
    recorded = server.runs("four")
    assert len(recorded) == 4
    shown = {run.data.tags["htr_exp.name"]: run for run in recorded}
    assert all(re.fullmatch(r"seed=[1-4] · [0-9a-f]{4}", run.info.run_name) for run in recorded)
    assert {name: server.curve(run) for name, run in shown.items()} == {run.name: curve_of(run) for run in htr_exp.runs}
    assert {run.info.status for run in shown.values()} == {"FINISHED"}
    assert len({run.data.tags["mlflow.parentRunId"] for run in shown.values()}) == 1


@pytest.mark.slow
def test_a_run_ends_although_its_server_hangs_or_is_not_there(
    htr_exp: CommandLine, scenario: Scenario, silent: str
) -> None:
    scenario.play(epoch_seconds=2)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    for seed, changes in enumerate([(), to(silent), to(nobody)]):
        done = htr_exp.train(f"seed={seed}", *changes)  # a client that waits for this server waits a quarter of an hour
        assert done.code == 0
        assert ("is not wholly in MLflow" in " ".join(done.stderr.split())) == bool(changes)
    logs = [run.log.read_text() for run in htr_exp.runs]
    assert sorted(log.count("not reported live") for log in logs) == [0, 1, 1]


def test_reporter_ends_by_sigterm_alone_and_the_run_goes_on(
    htr_exp: CommandLine, scenario: Scenario, silent: str
) -> None:
    scenario.play(epoch_seconds=0.5)
    process = htr_exp.start(*htr_exp.training(*to(silent, "training.epochs=100")))
    reporter = reporter_of(process)
    until(lambda: any(run.epochs() for run in htr_exp.runs), "an epoch")
    for number in (signal.SIGINT, signal.SIGUSR2):
        reporter.send_signal(number)
    with pytest.raises(psutil.TimeoutExpired):
        reporter.wait(1)
    reporter.terminate()
    until(lambda: not reporter.is_running() or reporter.status() == psutil.STATUS_ZOMBIE, "the reporter to end")
    (run,) = htr_exp.runs
    epochs = len(run.epochs())
    until(lambda: len(run.epochs()) > epochs, "another epoch")
    assert not store.lock(run.tracking_marks).exists()
    process.send_signal(signal.SIGINT)
    assert htr_exp.end(process).code == 130
