"""Measures the peak memory of a segmentation training against the estimate that plans are held against.

    python benchmarks/bench_memory.py [height ...]

Trains `ketos segtrain` for one epoch on demo pages with blla's layers from scratch, at several heights of the network, and
watches the memory of its process. The peer is the estimate of `htr_exp.audit.memory_estimate`. Prints a line of JSON each; fails where
the estimate is far too small, so that a job would be killed, or far too large.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from htr_exp.audit.memory_estimate import MemoryEstimate
from htr_exp.config.defaults import shipped
from htr_exp.config.schema import Runtime
from htr_exp.core.task import SEGMENTATION
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.model import GroundTruthPage
from htr_exp.groundtruth.xml_for_kraken import staged_xml
from htr_exp.kraken import runtime
from htr_exp.kraken.commands import train_command

PAGES = Path(__file__).parents[1] / "htr_exp" / "demo" / "pages"
LAYERS = "[1,{height},0,3 Cr7,7,64,2,2 Gn32 Cr3,3,128,2,2 Gn32 Cr3,3,128 Gn32 Cr3,3,256 Gn32 Cr3,3,256 Gn32 Lbx32 Lby32 Cr1,1,32 Gn32 Lby32 Lbx32]"
LEAST, MOST = 0.75, 1.3  # of what was measured, by the estimate


def main() -> int:
    heights = [int(word) for word in sys.argv[1:]] or [400, 800, 1200, 1800]
    dataset = examine_folders([PAGES], task=SEGMENTATION)
    pages = dataset.pages[:3]
    failed = False
    for height in heights:
        spec = LAYERS.format(height=height)
        estimate = MemoryEstimate(spec, 2, pages).peak_gb(0) or 0.0
        with tempfile.TemporaryDirectory() as folder:
            measured = _peak_gb(spec, pages, Path(folder))
        ratio = round(estimate / measured, 3)
        failed |= not LEAST <= ratio <= MOST
        row = {
            "name": f"memory: segtrain at height {height}, estimate", "ours_mb": round(1000 * estimate), "peer": "peak of ketos segtrain",
            "peer_mb": round(1000 * measured), "ratio": ratio, "limit": MOST,
        }  # fmt: skip
        print(json.dumps(row), flush=True)
    return int(failed)


def _peak_gb(spec: str, pages: tuple[GroundTruthPage, ...], folder: Path) -> float:
    """Train for an epoch; return the most memory that kraken held, GB."""
    lists = {}
    for side, of_side in (("train", pages[:2]), ("validation", pages[2:])):
        staged = []
        for page in of_side:
            path = folder / f"{page.digest}.xml"
            path.write_bytes(staged_xml(page))
            staged.append(path)
        lists[side] = folder / f"{side}.pages"
        lists[side].write_text("".join(f"{path}\n" for path in staged))
    kraken = runtime.provide(_wanted(), prove=False)
    training = shipped(SEGMENTATION).training
    argv = train_command(
        kraken.version, training, device="cpu", workers="0", seed=1, train=str(lists["train"]), validation=str(lists["validation"]),
        output=str(folder / "out"), base=None, spec=spec, task=SEGMENTATION, until_epoch=1,
    )  # fmt: skip
    words, variables = kraken.command(argv, threads=1, folder=folder)
    started = subprocess.Popen(words, env=variables, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watched, peak = psutil.Process(started.pid), 0
    while started.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    if started.wait():
        raise SystemExit(f"ketos failed: {' '.join(argv)}")
    return peak / 1e9


def _wanted() -> Runtime:
    return Runtime(kind="host")


if __name__ == "__main__":
    sys.exit(main())
