"""How much CPU the command line costs where nothing is trained: what one waits for, and what a login node allows.

CPU seconds of the child process, the best of three, against the libraries that any such tool has to import. Prints one JSON
line a measurement.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from htr_exp.config import compose_experiment
from htr_exp.files import append_jsonl, write_json, write_jsonl

RUNS = 100
EPOCHS = 30
POINTS = 40
TIMES = 3
LIMIT_S = 1.5
LIMIT_OF_A_POINT_S = 0.15
PEER = (sys.executable, "-c", "import hydra, omegaconf, rich")


def cpu_s(argv: Sequence[str], folder: Path) -> float:
    """Return the least user and system time of a command over `TIMES` runs, its children's included, in seconds.

    Modules are compiled to bytecode in a folder of this measurement first, as an installation does.

    Raises:
        RuntimeError: it fails.
    """
    best = float("inf")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for _ in range(TIMES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if said.returncode:
            raise RuntimeError(f"{' '.join(argv)}: exit {said.returncode}\n{said.stderr}")
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def make_ketos(folder: Path) -> Path:
    """Write a program that says it is kraken 7.1.1."""
    folder.mkdir(parents=True)
    ketos = folder / "ketos"
    ketos.write_text("#!/bin/sh\necho 'ketos, version 7.1.1'\n")
    ketos.chmod(0o755)
    return ketos


def make_run(folder: Path, number: int, values: dict[str, object]) -> None:
    """Write a run folder as a finished training leaves it."""
    curve = [
        {"epoch": epoch, "val_cer": 0.5 / (epoch + 1) + number / 10000, "errors": 900 - epoch, "characters": 2000,
         "seconds": 61.5, "time": "2026-01-02T03:04:05Z"}
        for epoch in range(EPOCHS)
    ]  # fmt: skip
    score = {"cer": 0.05, "cer_raw": 0.06, "wer": 0.2, "errors": 100, "characters": 2000, "lines": 60, "pages": 2}
    run = folder / f"odalricus-tridis-{number:08x}"
    run.mkdir(parents=True)
    (run / "experiment.yaml").write_text(yaml.safe_dump(values | {"seed": number}, sort_keys=False))
    write_json(run / "provenance.json", {
        "run": {"uuid": str(number), "key": f"{number:08x}", "name": run.name, "task": "recognition", "question": "q"},
        "created": "2026-01-02T03:04:05Z",
        "software": {"kraken": "7.1.1"},
        "dataset": {"name": "odalricus", "pages": 20},
        "model": {"name": "tridis"},
    })  # fmt: skip
    write_json(run / "manifest.json", {})
    write_jsonl(run / "metrics.jsonl", curve)
    write_json(run / "results.json", {side: {"base": score, "best": score} for side in ("test", "validation")})
    write_json(
        run / "live/state.json", {"state": "done", "reason": None, "stage": None, "since": "2026-01-02T03:04:05Z"}
    )
    append_jsonl(run / "live/starts.jsonl", {"time": "2026-01-02T03:04:05Z", "lost_epochs": 0})
    append_jsonl(run / "live/sweeps.jsonl", {"sweep": "0a1b2c3d", "overrides": ["seed=range(100)"]})


def main() -> int:
    """Measure every command; exit 1 if one misses its limit."""
    missed = False

    def report(name: str, ours: float, limit: float, peer: float) -> None:
        nonlocal missed
        missed |= ours > limit
        figures = {
            "name": name,
            "ours_cpu_s": round(ours, 3),
            "limit_cpu_s": limit,
            "peer": "import hydra, omegaconf, rich",
        }
        print(json.dumps(figures | {"peer_cpu_s": round(peer, 3), "ratio": round(ours / peer, 2)}), flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-cli-") as name:
        folder = Path(name)
        ketos = make_ketos(folder / "kraken")
        values = compose_experiment(["dataset=demo", "model=none", "architecture=small"]).values
        for number in range(RUNS):
            make_run(folder / "runs", number, values)
        ours = [sys.executable, "-m", "htr_exp"]
        dry = ["train", "--dry-run", "dataset=demo", "model=none", "architecture=small", f"runtime.ketos={ketos}"]
        peer = cpu_s(PEER, folder)
        for verb, words in (
            ("--help", ["--help"]),
            ("options", ["options"]),
            (f"status of {RUNS} runs", ["status"]),
            (f"compare of {RUNS} runs", ["compare"]),
            ("dry run on the demo pages", dry),
        ):
            report(verb, cpu_s([*ours, *words], folder), LIMIT_S, peer)
        one = cpu_s([*ours, *dry, "-m", "seed=1"], folder)
        many = cpu_s([*ours, *dry, "-m", f"seed=range(1,{POINTS + 1})"], folder)
        report(f"a point of a sweep of {POINTS}", (many - one) / (POINTS - 1), LIMIT_OF_A_POINT_S, peer)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
