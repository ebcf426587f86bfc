"""What a plan, and `check`, read of the dataset that a configuration names."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.page_files import alto_line, alto_xml, page_line, page_xml, put, write_image
from htr_exp.cli.check.command import CheckRequest, check
from htr_exp.config.compose import compose_experiment
from htr_exp.config.places import dataset_folders, places_of
from htr_exp.core.errors import ConfigError
from htr_exp.pipeline.sources import Sources

SEVERAL = page_line(1, None).replace(
    "</TextLine>",
    '<TextEquiv index="1"><Unicode>wr0ng gue55!!</Unicode></TextEquiv>'
    '<TextEquiv index="0"><Unicode>right</Unicode></TextEquiv></TextLine>',
)
HYPHEN = alto_line(1, '<String CONTENT="hy"/><HYP CONTENT="-"/>')


def of_plan(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, int]:
    experiment, sources = compose_experiment(words).experiment, Sources()
    folders = sources.opened(dataset_folders(experiment), places_of(experiment))
    dataset = sources.dataset(experiment, folders)
    return len(dataset.pages), dataset.characters


def of_check(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, int]:
    capsys.readouterr()
    check(CheckRequest(words, json=True, quick=True))
    said = json.loads(capsys.readouterr().out)
    return said["pages"], said["characters"]


@pytest.mark.parametrize("read", [of_plan, of_check])
def test_the_keys_of_a_dataset_decide_what_is_read_of_it(
    read: Callable[..., tuple[int, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, xml in enumerate((page_xml(SEVERAL, "0.png"), alto_xml(HYPHEN, "1.png"))):
        write_image(tmp_path / "gt" / f"{number}.png", number)
        put(tmp_path / "gt", xml, f"{number}.xml")
    put(
        tmp_path / "gt",
        '<mets xmlns="http://www.loc.gov/METS/" xmlns:x="http://www.w3.org/1999/xlink"><FLocat x:href="1.xml"/></mets>',
        "mets.xml",
    )
    with zipfile.ZipFile(tmp_path / "gt.zip", "w") as archive:
        for file in (tmp_path / "gt").iterdir():
            archive.write(file, file.name)
    words = [f"site.workspace={tmp_path}"]
    right, wrong, with_hyphen, without = 5, 13, 3, 2
    assert read([*words, "dataset.path=gt"], capsys) == (2, right + with_hyphen)
    assert read([*words, "dataset.path=gt", "dataset.text_equiv=first"], capsys) == (2, wrong + with_hyphen)
    assert read([*words, "dataset.path=gt", "dataset.text_equiv=1"], capsys) == (2, wrong + with_hyphen)
    assert read([*words, "dataset.path=gt", "dataset.hyphens=false"], capsys) == (2, right + without)
    assert read([*words, "dataset.path=gt.zip"], capsys) == (2, right + with_hyphen)
    assert read([*words, "dataset.path=gt/mets.xml"], capsys) == (1, with_hyphen)


def test_a_word_of_a_file_of_ones_own_is_refused_by_check_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "defaults: [folder]\nname: mine\npath: .\ntext_equiv: newest\n", "conf/dataset/mine.yaml")
    with pytest.raises(ConfigError) as refused:
        check(CheckRequest(["dataset=mine"], quick=True))
    assert "dataset.text_equiv=newest: there is no such choice" in str(refused.value)
