"""What a start of kraken costs, and an epoch, beside the formula by which a leg of exact training gets its length.

One CPU thread, lines of the demo. A training of three epochs less one of a single epoch is two epochs; what the single one has
beyond that is the start. Machines differ, and so do the hours of a shared one: an epoch is compared with a start in the same run.
HTR_EXP_BENCH_NETWORKS names the networks (default: small,kraken_default).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import yaml
from bench_train import cpu

from htr_exp.config.defaults import shipped
from htr_exp.core.task import RECOGNITION
from htr_exp.kraken.commands import train_command
from htr_exp.kraken.legs import LEG_S, epoch_seconds
from htr_exp.runs.selection import runs_in

CONF = Path(__file__).resolve().parents[1] / "conf"
NETWORKS = os.environ.get("HTR_EXP_BENCH_NETWORKS", "small,kraken_default").split(",")
EPOCHS = 3
START_S = 5.5
"""Of kraken, CPU seconds (4 to 7) on the machine where the formula was measured: another machine is as much faster or slower."""


def main() -> None:
    """Measure and print one JSON line a figure."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        first = [sys.executable, "-m", "htr_exp", "train", "dataset=demo", "model=demo", "tracking=none",
                 "training.quit=fixed", "training.epochs=1"]  # fmt: skip
        cpu(first, folder)
        (run,) = (one.path for one in runs_in(folder / "runs"))
        split = json.loads((run / "split.json").read_text(encoding="utf-8"))
        lines = sum(page["lines"] for page in split["train"])
        for name in NETWORKS:
            spec = yaml.safe_load((CONF / "architecture" / f"{name}.yaml").read_text(encoding="utf-8"))["spec"]
            settings = replace(shipped().training, quit="fixed", lrate=0.001)
            spent = []
            for epochs in (1, EPOCHS):
                argv = train_command(
                    "7.1.1", replace(settings, epochs=epochs), device="cpu", workers="0", seed=1, base=None, spec=spec,
                    train=str(run / "live" / "train.list"), validation=str(run / "live" / "validation.list"),
                    output=str(folder / f"{name}-{epochs}"),
                )  # fmt: skip
                spent.append(cpu(argv, folder))
            epoch = (spent[1] - spent[0]) / (EPOCHS - 1)
            expected = epoch_seconds(RECOGNITION, spec, lines)
            assert expected is not None
            start = spent[0] - epoch
            for what, ours, peer, peer_s, limit in (
                (f"a start of kraken, {name}", start, "a leg, an hour's work by the formula", LEG_S * epoch / expected, 0.01),
                (f"an epoch of {lines} lines, {name}", epoch, "the formula, times how slow a start is here",
                 expected * start / START_S, 2.0),
            ):  # fmt: skip
                row = {
                    "name": what,
                    "ours_cpu_s": ours,
                    "peer": peer,
                    "peer_cpu_s": peer_s,
                    "ratio": ours / peer_s,
                    "limit": limit,
                }
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
