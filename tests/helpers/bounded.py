"""Ground truth examined in bounded time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from helpers.page_files import page_line, page_xml

SECONDS = 40  # of a processor; generous, for they guard against hangs and not against slowness
PATIENCE = 300  # seconds by the clock, on a machine that has other things to do
MEGABYTES = 700
MEASURES = os.environ.get("HTR_EXP_MEASURES")  # a file to which the time and memory of each are added

CHILD = """
import json, os, sys
from pathlib import Path
import shapely, PIL.JpegImagePlugin, PIL.PngImagePlugin
from htr_exp.groundtruth.examine import examine_folders
if len(sys.argv) > 2:  # to be nobody, once all is imported
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
found = examine_folders([Path(sys.argv[1])])
json.dump({
    "pages": [page.name for page in found.pages],
    "problems": [[p.code, p.file, p.line, p.message] for p in found.problems],
    "read": found.read, "lines": found.lines,
    # Not ru_maxrss, which begins with the size of the process that forked this one.
    "seconds": sum(os.times()[:2]),
    "peak": next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024,
}, sys.stdout)
"""


def examined(
    folder: Path, *, nobody: bool = False, seconds: int = SECONDS, megabytes: int = MEGABYTES
) -> dict[str, Any]:
    """Examine a folder in a process of its own; fails if that takes too long, too much memory, or ends badly."""
    words = [sys.executable, "-c", CHILD, str(folder), *(["nobody"] if nobody else [])]
    child = subprocess.run(
        words, capture_output=True, text=True, timeout=PATIENCE, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stderr == ""
    found: dict[str, Any] = json.loads(child.stdout)
    if measures := MEASURES:
        with open(measures, "a") as file:
            file.write(f"{found['seconds']:6.2f} s {found['peak']:6.0f} MB {os.environ['PYTEST_CURRENT_TEST']}\n")
    assert found["peak"] < megabytes
    assert found["seconds"] < seconds
    return found


def codes_of(found: dict[str, Any]) -> set[str]:
    assert "good.xml" in found["pages"]
    for problem in found["problems"]:
        assert all(part is None or part.isprintable() for part in problem[1:2] + problem[3:]), problem
        assert len(problem[3]) < 1000, problem
    return {problem[0] for problem in found["problems"]}


PLAIN = page_xml(page_line(1), image="bad.jpg")
