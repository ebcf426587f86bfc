"""Soaks the program: `make soak RUNS=200 MINUTES=120 SEED=1`, as root on a machine that can have the test cluster. Not part of CI.

Raw logs go to benchmarks/results/: soak-events.jsonl (what was done and said), soak-runs.jsonl (how each run ended),
soak-processes.jsonl.gz and soak-samples.jsonl.gz (memory, open files, folders); soak.md is the page of figures. Exit 1 if anything was
lost, left or grew.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2] / "tests")]

from benchmarks.soak import schedule, table, verdict
from benchmarks.soak.driver import Driver, emptied

RESULTS = HERE.parents[1] / "results"


def main() -> int:
    """Soak and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--keep", action="store_true", help="keep the workspace")
    args = parser.parse_args()
    args.results.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends with us
    scratch = emptied(Path(tempfile.gettempdir()) / "htr_exp-soak")
    planned = schedule.draw(args.runs, args.minutes, args.seed)
    with open(args.results / "soak-events.jsonl", "w", encoding="utf-8") as events:
        driver = Driver(scratch, planned, events, longest_s=args.minutes * 60 * 1.25 + 300)
        try:
            in_time = driver.run()
            driver.finish()
        finally:
            driver.server.kill()
    took = driver.now / 60
    processes, samples = driver.observer.processes(), driver.observer.samples
    _write(args.results / "soak-processes.jsonl.gz", processes)
    _write(args.results / "soak-samples.jsonl.gz", samples)
    time.sleep(10)  # processes of jobs that have just ended
    facts = {
        "runs": args.runs, "asked_minutes": args.minutes, "seed": args.seed, "minutes": round(took, 1), "in_time": in_time,
        "real": sum(group.kind == "real" for group in planned.groups), "cpus": os.cpu_count(), "slurm": _slurm(),
        "kinds": list(schedule.KINDS), "counts": driver.counts,
        "mlflow": verdict.of_mlflow(driver.runs(), driver.server.database),
        "processes_left": driver.observer.left(), "files_left": verdict.left_behind(driver.workspace, driver.temporary),
    }  # fmt: skip
    epochs = {seed: group.epochs for group in planned.groups for seed in group.seeds}
    runs = verdict.of_runs(driver.runs(), epochs)
    facts["grown"] = table.not_flat(processes, samples)
    _write(args.results / "soak-runs.jsonl", [facts, *runs])
    (args.results / "soak.md").write_text(table.page(facts, runs, processes, samples), encoding="utf-8")
    wrong = _wrong(facts, runs)
    print(*wrong or ["all held"], sep="\n")
    if not args.keep and not wrong:
        shutil.rmtree(scratch)
    return int(bool(wrong))


def _wrong(facts: dict[str, Any], runs: list[dict[str, Any]]) -> list[str]:
    """What does not hold, in words."""
    mlflow, wrong = facts["mlflow"], list(facts["grown"])
    for row in runs:
        if row["state"] != "done" or not row["each_epoch_once"] or row["seals"] != "ok":
            wrong.append(f"run: {row}")
    if len(runs) != facts["runs"]:
        wrong.append(f"{len(runs)} run folders for {facts['runs']} runs")
    if mlflow["runs"] != facts["runs"] or mlflow["runs_of_ours"] != facts["runs"]:
        wrong.append(f"MLflow has {mlflow['runs']} runs, {mlflow['runs_of_ours']} of them these")
    wrong += [
        f"MLflow: {key} {count}"
        for key, count in mlflow.items()
        if count and key not in ("runs", "runs_of_ours", "epochs")
    ]
    for key in ("runs resumed by hand", "tracebacks", "status failed", "faults of the soak itself"):
        if facts["counts"].get(key):
            wrong.append(f"{key}: {facts['counts'][key]}")
    wrong += [f"process left: {words}" for words in facts["processes_left"]]
    wrong += [f"file left: {path}" for path in facts["files_left"]]
    return wrong


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    content = text.encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _slurm() -> str:
    said = subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=False).stdout.split()
    return said[-1] if said else ""


if __name__ == "__main__":
    sys.exit(main())
