"""Transcription by kraken 4.3.13, which gives lines ids of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.folders import DEMO
from helpers.in_process import in_process
from htr_exp.groundtruth.xml import read_page


def test_lines_keep_their_ids(
    kraken4: Path, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    xml = min((DEMO / "pages").glob("*.xml"))
    page = read_page(xml)
    for file in (xml, xml.parent / page.image_name):
        shutil.copy(file, tmp_path)
    words = (
        "model=demo",
        "training.device=cpu",
        f"runtime.ketos={kraken4 / 'bin' / 'ketos'}",
        "--out",
        tmp_path / "out",
    )
    said = in_process(capsys)("transcribe", tmp_path / xml.name, *words)
    assert said.code == 0, said.out + said.err
    read = read_page(tmp_path / "out" / xml.name)
    assert [line.id for line in read.lines] == [line.id for line in page.lines]
    assert "kraken 4.3.13" in (tmp_path / "out" / xml.name).read_text()
