"""What `train` costs beside the same kraken commands by hand, and how much memory our own process takes meanwhile.

The peer is `sh commands.sh` of the very run. Both start without compiled data; a second run finds it in the cache.
HTR_EXP_BENCH_EPOCHS sets the length (default 60: more than 300 CPU seconds on the demo).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from htr_exp.runs.selection import runs_in

EPOCHS = os.environ.get("HTR_EXP_BENCH_EPOCHS", "60")


def cpu(argv: list[str], folder: Path, peak: list[float] | None = None) -> float:
    """The CPU seconds of a command and all its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(argv, cwd=folder, stdout=sys.stderr, env=environment)
    if peak is not None:
        threading.Thread(target=_watch, args=(process.pid, peak), daemon=True).start()
    if process.wait():
        sys.exit(f"{argv} failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _watch(pid: int, peak: list[float]) -> None:
    try:
        process = psutil.Process(pid)
        while True:
            peak[0] = max(peak[0], process.memory_info().rss / 1e6)
            time.sleep(0.2)
    except psutil.Error:
        return


def main() -> None:
    """Measure and print one JSON line a figure."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, peak = Path(scratch), [0.0]
        train = [
            sys.executable, "-m", "htr_exp", "train", "dataset=demo", "model=demo",
            "training.quit=fixed", f"training.epochs={EPOCHS}",
        ]  # fmt: skip
        ours = cpu(train, folder, peak)
        (run,) = (one.path for one in runs_in(folder / "runs"))
        peer = cpu(["sh", "commands.sh"], run)
        shutil.rmtree(run / "by-hand")
        print(
            json.dumps(
                {
                    "name": "train, recording included",
                    "ours_cpu_s": ours,
                    "peer": "sh commands.sh",
                    "peer_cpu_s": peer,
                    "ratio": ours / peer,
                    "limit": 1.05,
                }
            ),
            flush=True,
        )
        cached = cpu([*train, "again=true"], folder)
        print(
            json.dumps(
                {
                    "name": "train, compiled data in the cache",
                    "ours_cpu_s": cached,
                    "peer": "sh commands.sh",
                    "peer_cpu_s": peer,
                    "ratio": cached / peer,
                    "limit": 1.0,
                }
            ),
            flush=True,
        )
        print(
            json.dumps({"name": "our own process while kraken trains", "ours_mb": peak[0], "limit_mb": 150}), flush=True
        )


if __name__ == "__main__":
    main()
