"""CPU time of `report` over 200 runs of a sweep, beside reading the same records alone."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path

import yaml
from bench_scores import line, misread  # beside this file

from htr_exp.config.compose import compose_experiment
from htr_exp.core.files import append_jsonl, write_json, write_jsonl
from htr_exp.core.run_state import RunState
from htr_exp.report.paper.bundle import write_bundle
from htr_exp.report.paper.evidence import evidence
from htr_exp.runs.run_dir import RunDir
from htr_exp.scoring.intervals import Count, of_rate
from htr_exp.scoring.lines import LinePair, score

RUNS, EPOCHS, PAGES, LINES_PER_PAGE, SEEDS = 200, 30, 20, 10, 5
READINGS = 12
"""Predictions that are scored; runs share them in turn."""
LIMIT_CPU_S = 60


def scored(source: random.Random) -> list[dict[str, object]]:
    """The figures of some models on the same pages."""
    texts = [(f"page{n // LINES_PER_PAGE:02}.xml", f"l{n}", line(source)) for n in range(PAGES * LINES_PER_PAGE)]
    found = []
    for _ in range(READINGS):
        pairs = (LinePair(page, name, text, misread(text, source)) for page, name, text in texts)
        figures = score(pairs).to_json(per_page=True)
        interval = of_rate([Count(page["errors"], page["characters"]) for page in figures["per_page"]])
        ends = {"cer_low": interval and interval.low, "cer_high": interval and interval.high, "units": PAGES}
        found.append(figures | ends)
    return found


def make_run(folder: Path, number: int, values: dict[str, object], figures: list[dict[str, object]]) -> RunDir:
    """Write a run folder as a training of a sweep leaves it."""
    run = RunDir(folder / f"bench-{number:08x}")
    run.predictions.mkdir(parents=True)
    run.live.mkdir()
    training = {**values["training"], "lrate": 0.001 / (1 + number // SEEDS)}  # type: ignore[dict-item]
    run.experiment.write_text(yaml.safe_dump(values | {"training": training, "seed": number % SEEDS}, sort_keys=False))
    sides = {
        side: {"digest": side, "pages": PAGES, "lines": PAGES * LINES_PER_PAGE}
        for side in ("train", "validation", "test")
    }
    write_json(run.provenance, {
        "run": {"uuid": str(number), "key": f"{number:08x}", "name": run.name, "task": "recognition", "verb": "train", "question": "rates"},
        "created": "2026-01-02T03:04:05Z", "command": ["htr-exp", "train", f"seed={number}"],
        "code": {"version": "1", "digest": "c" * 64, "commit": None, "dirty": None},
        "software": {"python": "3.11", "kraken": "7.1.1", "packages": {"kraken": "7.1.1"}},
        "machine": {"host": "node", "system": "Linux", "cpu": "x", "cores": 1, "memory_gb": 1.0, "gpu": [], "driver": None, "executable": "python"},
        "dataset": {"name": "bench", "digest": "d" * 64, "format": "xml", "folders": ["bench"], "read": {"pages": 60, "lines": 600},
                    "pages": 60, "lines": 600, "characters": 24000, "dropped": {}},
        "split": {"digest": "e" * 64, "test_digest": "9" * 64, "seed": 0, "kind": "random", "by": "page", "fold": None} | sides,
        "model": {"name": "base", "file": "base.mlmodel", "sha256": "f" * 64, "doi": None, "network": None, "legacy_polygons": False},
        "conventions": {"dataset": None, "model": None}, "leakage": {}, "device": "cpu", "warnings": [],
    })  # fmt: skip
    pages = [{"page": f"page{n:02}.xml", "lines": LINES_PER_PAGE} for n in range(PAGES)]
    write_json(run.split, {side: pages for side in sides})
    run.seal({})
    curve = [
        {"epoch": n, "val_cer": 1 / (n + 2), "seconds": 60.0, "time": "2026-01-02T03:04:05Z"}
        for n in range(1, EPOCHS + 1)
    ]
    write_jsonl(run.metrics, curve)
    scores = {"base": figures[0], "best": figures[1 + number % (READINGS - 1)]}
    write_json(run.results, {
        "test": scores, "validation": scores, "best_epoch": EPOCHS, "epochs": EPOCHS, "ended_by": "epochs",
    })  # fmt: skip
    run.best.write_bytes(b"weights")
    run.write_state(RunState.DONE)
    run.seal_results()
    append_jsonl(run.sweeps, {"sweep": "0a1b2c3d", "overrides": []})
    return run


def main() -> int:
    """Write the bundle of 200 runs; exit 1 if it takes longer than its limit."""
    values = compose_experiment(["dataset=demo", "model=none", "architecture=small"]).values
    with tempfile.TemporaryDirectory(prefix="bench-paper-") as name:
        figures = scored(random.Random(0))
        runs = [make_run(Path(name) / "runs", number, values, figures) for number in range(RUNS)]
        begin = time.process_time()
        found = evidence("rates", runs)
        written = write_bundle(found, Path(name) / "paper")
        ours = time.process_time() - begin
        begin = time.process_time()
        for run in runs:
            for record in (run.provenance, run.results, run.split):
                json.loads(record.read_bytes())
            [json.loads(epoch) for epoch in run.metrics.read_bytes().splitlines()]
        peer = time.process_time() - begin
    assert len(found.runs) == RUNS
    assert {"index.html", "table.tex"} <= set(written.files)
    row = {
        "name": f"report over {RUNS} runs", "ours_cpu_s": round(ours, 2), "limit_cpu_s": LIMIT_CPU_S,
        "peer": "json.loads of the same records, without a table or figure", "peer_cpu_s": round(peer, 3),
        "ratio": round(ours / peer, 1),
    }  # fmt: skip
    print(json.dumps(row))
    return int(ours > LIMIT_CPU_S)


if __name__ == "__main__":
    sys.exit(main())
