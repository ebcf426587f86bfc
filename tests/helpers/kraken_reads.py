"""What a real kraken makes of page files, beside what we say that it makes of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from helpers.folders import TESTS
from htr_exp.groundtruth import xml
from htr_exp.groundtruth.as_kraken.readings import NOT_XML, Reading, by_release
from htr_exp.groundtruth.model import NotGroundTruth, NotWellFormed

SCRIPT = TESTS / "helpers" / "read_with_kraken.py"


def really(python: Path, files: Sequence[Path]) -> list[tuple[int | None, bool, str]]:
    """What the kraken of a Python makes of files: lines, whether it stops, what it said."""
    run = subprocess.run(
        [str(python), str(SCRIPT)], input="\n".join(map(str, files)), capture_output=True, text=True, timeout=900
    )
    assert run.returncode == 0, run.stderr
    return [tuple(answer) for answer in json.loads(run.stdout)]


def ours(path: Path, release: str) -> Reading:
    try:
        root = xml.parse(xml.content(path))
    except NotWellFormed:
        return NOT_XML
    try:
        page = xml.page_of(root)
    except NotGroundTruth:
        page = None
    name = root.findtext(".//{*}fileName") or next((p.get("imageFilename") for p in root.iter("{*}Page")), None)
    there = bool(name) and (path.parent / name).is_file()
    found = by_release(root, page, there)[release]
    assert found == by_release(root, None, there)[release], f"{path.name}: the short way and the long way differ"
    return found


def differences(python: Path, release: str, files: Sequence[Path]) -> list[str]:
    answers = really(python, files)
    assert len(answers) == len(files)
    wrong = []
    for path, (lines, stops, said) in zip(files, answers, strict=True):
        found = ours(path, release)
        if (found.lines, found.stops) != (lines, stops):
            wrong.append(f"{path.name}: {lines} {stops} {said[:120]} but we say {found}")
    return wrong


def lines_in(python: Path, folder: Path) -> tuple[int, int]:
    """How many pages and lines the kraken of a Python reads in a folder."""
    answers = really(python, sorted(folder.rglob("*.xml")))
    assert not [answer for answer in answers if answer[1]]
    return len(answers), sum(lines or 0 for lines, _, _ in answers)
