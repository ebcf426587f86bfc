"""Run folders as a training leaves them, and how MLflow shows them."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from htr_exp.core import files
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import writer
from htr_exp.tracking.sync import Recorded, store_uri, sync_runs

EPOCHS = (0.31, 0.18, 0.12)


def epoch_line(epoch: int, cer: float) -> dict[str, Any]:
    time_of_it = f"2026-03-01T10:{epoch:02d}:00Z"
    return {
        "epoch": epoch, "val_cer": cer, "errors": 10, "characters": 100, "seconds": 55.5, "time": time_of_it,
    }  # fmt: skip


def state_of(state: str) -> dict[str, Any]:
    return {"state": state, "reason": None, "stage": None, "since": "2026-03-01T11:00:00Z"}


def make_run(
    workspace: Path,
    name: str = "odalricus-tridis-0a1b2c3d",
    *,
    curve: tuple[float, ...] = EPOCHS,
    state: str = "done",
    lrate: float = 0.0001,
    sweep: str | None = None,
    question: str = "default",
) -> Path:
    """Write a run folder as a training leaves it."""
    folder = workspace / "runs" / name
    (folder / "live").mkdir(parents=True)
    (folder / "experiment.yaml").write_text(
        f"dataset: {{name: odalricus, path: [a, b]}}\ntask: recognition\nseed: 0\nname: null\n"
        f"training: {{lrate: {lrate}, quit: early, augment: true, note: '{'x' * 7000}'}}\n"
    )
    files.write_json(folder / "provenance.json", {
        "run": {
            "uuid": f"uuid-of-{name}", "key": name[-8:], "name": name, "task": "recognition", "question": question,
        },
        "created": "2026-03-01T09:59:00Z",
        "command": ["htr-exp", "train", "dataset=odalricus", "model=tridis", f"training.lrate={lrate}"],
        "code": {"commit": "c0ffee", "dirty": False, "version": "0.1.0"},
        "software": {"python": "3.11", "kraken": "7.1.1", "packages": {}},
        "machine": {"host": "gpu-07"},
        "dataset": {"name": "odalricus", "digest": "d" * 64, "folders": ["Ground_Truth/odalricus"], "pages": 4},
        "split": {"digest": "e" * 64, "seed": 0, "train": {"pages": 2, "lines": 50}},
        "model": {"name": "tridis", "file": "tridis.mlmodel", "sha256": "f" * 64},
    })  # fmt: skip
    pages = [{"page": f"p{n}.xml", "image": f"p{n}.jpg", "digest": f"{n}" * 64, "lines": 25} for n in range(4)]
    files.write_json(folder / "split.json", {"train": pages[:2], "validation": pages[2:3], "test": pages[3:]})
    (folder / "commands.sh").write_text("ketos train\n")
    files.write_jsonl(folder / "metrics.jsonl", [epoch_line(n, cer) for n, cer in enumerate(curve, 1)])
    files.write_json(folder / "live/state.json", state_of(state))
    if state == "running":
        signed = {"host": "gpu-07", "pid": 1, "started": 0.0}
        (folder / "live/lock").mkdir()
        files.write_json(folder / "live/lock/owner.json", signed)
    files.append_jsonl(folder / "live/starts.jsonl", {"time": "2026-03-01T10:00:00Z", "host": "gpu-07", "pid": 1})
    if sweep:
        files.append_jsonl(folder / "live/sweeps.jsonl", {"sweep": sweep, "name": "rates", "overrides": []})
    (folder / "live/log.txt").write_text("kraken said this\n")
    if state == "done":
        score = {"cer": 0.2, "cer_raw": 0.21, "wer": 0.5, "errors": 20, "characters": 100, "lines": 25, "pages": 1}
        files.write_json(folder / "results.json", {
            "test": {"base": score, "best": score | {"cer": curve[-1]}},
            "validation": {"base": None, "best": score}, "best_epoch": len(curve),
        })  # fmt: skip
        (folder / "predictions").mkdir()
        files.append_jsonl(folder / "predictions/test.jsonl", {"page": "p3.xml", "line": "l1", "best": "ſanctus"})
        (folder / "best.mlmodel").write_bytes(b"weights" * 1000)
    return sealed(folder)


def sealed(folder: Path) -> Path:
    """Seal what a run folder holds now."""
    run = RunDir(folder)
    run.seal({})
    if run.results.exists():
        run.seal_results()
    return folder


def client_of(workspace: Path, uri: str | None = None) -> Any:
    return writer.client(store_uri(workspace, uri))


def only(recorded: list[Recorded]) -> Recorded:
    assert len(recorded) == 1
    assert recorded[0].problem is None
    return recorded[0]


def empty_store(workspace: Path) -> Path:
    """Make a workspace's `mlflow.db` as MLflow makes it, without a run; its migrations take seconds."""
    run = make_run(workspace)
    assert sync_runs([run], workspace=workspace)[0].problem is None
    shutil.rmtree(workspace / "runs")
    with sqlite3.connect(workspace / "mlflow.db") as db:
        of_models = ("logged_model_metrics", "logged_model_params", "logged_model_tags", "logged_models")
        for table in (
            "metrics",
            "latest_metrics",
            "params",
            "tags",
            "inputs",
            "input_tags",
            "datasets",
            "runs",
            *of_models,
        ):
            db.execute(f"DELETE FROM {table}")
        for table in ("experiment_tags", "experiments"):
            db.execute(f"DELETE FROM {table} WHERE experiment_id > 0")
    db.close()
    return workspace / "mlflow.db"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dump(workspace: Path) -> list[str]:
    with sqlite3.connect(workspace / "mlflow.db") as db:
        lines = list(db.iterdump())
    db.close()
    return lines


def wait_for(address: str, child: subprocess.Popen[Any]) -> None:
    for _ in range(1200):
        assert child.poll() is None
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(address)


def tracked(folder: Path, kind: str, uri: str | None = None) -> Path:
    """Write into a run folder where its experiment wants it recorded, and seal it."""
    with open(folder / "experiment.yaml", "a") as experiment:
        experiment.write(f"tracking:\n  kind: {kind}\n  uri: {uri or 'null'}\nseed: 1\n")
    return sealed(folder)


def command(workspace: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "htr_exp", *words, f"--workspace={workspace}"], capture_output=True, text=True
    )
