"""What we say kraken makes of a file is what the real kraken 7.1.1 makes of it, for every file and oddity there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers import odd_files
from helpers.folders import TESTS
from htr_exp.groundtruth import xml
from htr_exp.groundtruth.as_kraken.readings import NOT_XML, Reading, by_release
from htr_exp.groundtruth.model import NotGroundTruth, NotWellFormed

DATA = os.environ.get("HTR_EXP_REAL_DATA")
SCRIPT = TESTS / "helpers" / "read_with_kraken.py"


def really(python: Path, files: Sequence[Path]) -> list[tuple[int | None, bool, str]]:
    """Return what the kraken of a Python makes of files: lines, whether it stops, what it said."""
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


@pytest.mark.kraken
def test_every_oddity_is_read_as_the_real_kraken_reads_it(tmp_path: Path) -> None:
    assert differences(Path(sys.executable), "7.1", odd_files.write(tmp_path)) == []


@pytest.mark.kraken
@pytest.mark.skipif(not DATA, reason="set HTR_EXP_REAL_DATA to the folder with demo/, dev/ and dirty/")
def test_real_files_are_read_as_the_real_kraken_reads_them() -> None:
    files = [path for part in ("demo", "dev", "dirty") for path in sorted(Path(DATA or "", part).rglob("*.xml"))]
    assert len(files) > 100
    assert differences(Path(sys.executable), "7.1", files) == []
