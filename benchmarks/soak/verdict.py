"""What must hold when a soak has ended: run folders, MLflow, and nothing left behind."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from htr_exp.core.files import read_jsonl
from htr_exp.runs.run_dir import RunDir

FLAT = 1.15
"""The last tenth may take so many times what the first tenth takes."""

POINTS = (
    "SELECT t.value, m.step FROM metrics m JOIN runs r ON r.run_uuid = m.run_uuid "
    "JOIN tags t ON t.run_uuid = m.run_uuid AND t.key = 'htr_exp.uuid' WHERE m.key = 'val_cer' AND r.lifecycle_stage = 'active'"
)
RUNS = (
    "SELECT t.value, r.status FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'htr_exp.uuid' "
    "WHERE r.lifecycle_stage = 'active'"
)


def of_runs(runs: Sequence[RunDir], epochs: dict[int, int]) -> list[dict[str, Any]]:
    """How each run ended.

    Args:
        runs: all of them.
        epochs: by seed, how many each was to train.
    """
    rows = []
    for run in runs:
        seed = int(run.configuration()["seed"])
        trained = [record["epoch"] for record in run.epochs()]
        result, begun = run.result(), [row for row in read_jsonl(run.starts) if "start" in row]
        legs = [row for row in read_jsonl(run.starts) if "leg" in row]
        rows.append({
            "seed": seed,
            "state": str(run.state().state),
            "each_epoch_once": trained == list(range(1, epochs[seed] + 1)),
            "epochs": len(trained),
            "starts": len(begun),
            "nodes": len({row.get("node") or row.get("host") for row in begun}),
            "lost_epochs": sum(row.get("lost_epochs", 0) for row in legs),
            "submissions": len(run.jobs),
            "seals": run.broken_seals(every_digest=True) or "ok",
            "lines_scored": result["test"]["best"]["lines"] if result else None,
            "lines_predicted": len(read_jsonl(run.predictions_of("test"))) if result else None,
            "log_kb": round(sum(file.stat().st_size for file in run.live.glob("*") if file.is_file()) / 1e3, 1),
        })  # fmt: skip
    return sorted(rows, key=lambda row: row["seed"])


def of_mlflow(runs: Sequence[RunDir], database: Path) -> dict[str, int]:
    """What MLflow has of the runs, counted in its database."""
    wanted = {(run.facts()["run"]["uuid"], record["epoch"]) for run in runs for record in run.epochs()}
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as db:
        points, there = Counter(map(tuple, db.execute(POINTS))), list(db.execute(RUNS))
    named = Counter(uuid for uuid, _ in there)
    return {
        "runs": len(there),
        "runs_of_ours": len(named.keys() & {run.facts()["run"]["uuid"] for run in runs}),
        "runs_twice": sum(count > 1 for count in named.values()),
        "runs_not_finished": sum(status != "FINISHED" for _, status in there),
        "epochs": len(wanted),
        "epochs_lacking": len(wanted - points.keys()),
        "epochs_twice": sum(count > 1 for count in points.values()),
        "epochs_of_nobody": len(points.keys() - wanted),
    }


def left_behind(workspace: Path, temporary: Path) -> list[str]:
    """Files that nobody needs any more, relative to the workspace's folder."""
    runs, cache = workspace / "runs", workspace / "cache"
    found = [path for path in temporary.rglob("*") if path.is_file()]
    found += [path for folder in (runs, cache) for path in folder.rglob(".*") if path.name != ".gitignore"]
    found += [path for path in cache.rglob("*.part*")]
    for name in ("live/lock", "live/predicting", "live/temporary.jsonl", "train"):
        found += [path for path in runs.glob(f"*/{name}")]
    return sorted(str(path.relative_to(workspace.parent)) for path in found)


def flat(rows: Sequence[dict[str, Any]], key: str, when: str) -> tuple[float, float] | None:
    """The medians of a figure over the first and the last tenth of some rows, or None where there are too few.

    Args:
        rows: of samples or of processes.
        key: the figure.
        when: the key of the moment.
    """
    ordered = [row[key] for row in sorted(rows, key=lambda row: row[when])]
    tenth = max(len(ordered) // 10, 1)
    return (median(ordered[:tenth]), median(ordered[-tenth:])) if len(ordered) >= 2 else None
