"""Prints the table of what a walk through faults endured, from its log (`make faults LOG=...`): for docs/faults.md."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

LOG = Path(__file__).resolve().parent / "results" / "faults.jsonl"

WORDS = {
    "signals": "The job is ended: preemption, requeue, `scancel`, shutdown of the machine, power cut; kraken hears of it first, the run first, or both at once",
    "kraken": "kraken fails, is killed by the kernel once or at the same epoch each time, hangs, writes rubbish, says rubbish",
    "inputs": "An image, a page, the base model, compiled lines, a prediction or the best model is changed (also with its times kept), emptied, removed, or replaced by a folder, while the run works",
    "records": "A file of the run folder or of the cache is emptied, cut short, removed or overwritten between two starts: settings, split, list of pages, curve, state, log, checkpoint, prediction and others",
    "locks": "Somebody else has the lock of the run (a living process, an ended one, another machine), the lock is empty, rubbish or a file, or it is taken or removed while the run works",
    "moves": "The run folder, the folder of runs or the cache is renamed while the run works, and put back before the next start",
    "disks": "The disk is full to its last byte, or becomes read-only",
}
"""What a group of faults is, for readers."""


def table(log: Path = LOG) -> str:
    """The table, in Markdown, with a sentence about the whole walk."""
    records: list[dict[str, Any]] = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    faults = [record for record in records if "fault" in record and not record["missed"]]
    runs = [record for record in records if "held" in record or "lost" in record]
    lost = sum("lost" in record for record in records)
    endured = Counter(record["group"] for record in faults)
    kinds = {group: {record["fault"] for record in faults if record["group"] == group} for group in WORDS}
    lines = ["| what happens | kinds of it that were tried | how often |", "|---|---|---|"]
    lines += [f"| {words} | {len(kinds[group])} | {endured[group]} |" for group, words in WORDS.items()]
    places = len({(record["fault"], record["stage"]) for record in faults})
    shown = sum("full disk" in record["start"] or "closed" in record["start"] for record in faults)
    served = sum(bool(record["server"]) for record in faults)
    seeds = ", ".join(map(str, sorted({record["seed"] for record in records})))
    alone = sum(record["start"].startswith("here") for record in faults)
    said = (
        f"{len(faults)} faults in {len(runs)} runs; in {lost} runs it did not hold. {alone} times the run was started by `resume`, {len(faults) - alone} times as the "
        f"process of a Slurm job. They are {places} different pairs of a fault and a stage. {shown} times what the run prints went to a full disk or a closed terminal at the same time, and "
        f"{served} times its MLflow server was away, silent, slow, answered 500 or rubbish, or broke off. The seeds: {seeds}."
    )
    return "\n".join([said, "", *lines]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1]) if len(sys.argv) > 1 else LOG))
