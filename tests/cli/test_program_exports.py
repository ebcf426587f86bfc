"""Exports of OCR-D, LAREX, Abbyy and Transkribus, three layouts of each: what they hold is what is counted, said, copied and trained on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helpers.command_line import changed
from helpers.exports.answers import ANSWERS, QUIET, Answer
from helpers.in_process import Call
from helpers.kraken_reads import lines_in
from htr_exp.groundtruth.clean_copy import write_copy
from htr_exp.groundtruth.containers import opened
from htr_exp.groundtruth.examine import examine_folders, summary
from htr_exp.groundtruth.model import Dataset, Problem
from htr_exp.groundtruth.xml_for_kraken import staged_xml

every_export = pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))


def made(answer: Answer, place: Path) -> tuple[tuple[Path, ...], Dataset]:
    """The folders of an export, and what was found there."""
    found = opened([answer.make(place / "made")], place / "cache")
    return found.folders, examine_folders(found.folders, only=found.only)


def counted(problems: tuple[Problem, ...]) -> dict[str, int]:
    return {code: count for code, count in summary(problems).items() if code not in QUIET}


@every_export
def test_an_export_holds_what_its_program_wrote(answer: Answer, tmp_path: Path) -> None:
    folders, dataset = made(answer, tmp_path)
    assert (len(dataset.pages), [line.text for line in dataset.used()]) == (answer.pages, answer.texts)
    assert dataset.read == dict(zip(("pages", "lines"), answer.read, strict=True))
    told = [counted(problems) for problems in (dataset.errors, dataset.dropped, dataset.warnings)]
    assert told == [answer.errors, answer.dropped, answer.warnings]
    messages = "\n".join(problem.message for problem in dataset.problems)
    for words in answer.said:
        assert words in messages
    if answer.pages:
        copy = examine_folders([write_copy(folders, dataset, tmp_path / "copy").folder])
        assert [line.text for line in copy.used()] == answer.texts
        assert (counted(copy.errors), counted(copy.dropped)) == ({}, {})


@pytest.mark.seconds
@every_export
def test_an_export_is_checked_and_trained_on(
    answer: Answer, call: Call, experiment: list[str], workspace: Path, tmp_path: Path
) -> None:
    given = answer.make(tmp_path / "made")
    said = call("check", given, "--json", "--html=check.html", f"--fix={workspace / 'fixed'}")
    counts = answer.pages, len(answer.texts), sum(map(len, answer.texts))
    assert tuple(said.json[key] for key in ("pages", "lines", "characters")) == counts
    assert "</html>" in (workspace / "check.html").read_text(encoding="utf-8")
    assert (workspace / "fixed").is_dir() == (said.code == 0) == bool(answer.pages)
    planned = call("train", *changed(experiment, [f"dataset.path={given}"]), "--dry-run", "--json")
    assert planned.code == (0 if answer.trains else 2), planned.err
    if answer.trains:
        split = planned.json["split"]
        assert [len(split[side]) for side in ("train", "validation", "test")] == [1, 1, 1]
        assert sum(split["lines"].values()) == len(answer.texts)


@pytest.mark.kraken
def test_the_real_kraken_reads_of_every_export_what_is_counted(tmp_path: Path) -> None:
    read, copies = tmp_path / "read", 0
    (read / "staged").mkdir(parents=True)
    for name, answer in ANSWERS.items():
        folders, dataset = made(answer, tmp_path / name)
        for number, page in enumerate(dataset.pages):
            (read / "staged" / f"{name} {number}.xml").write_bytes(staged_xml(page))
        if answer.pages:
            copies += write_copy(folders, dataset, read / name).pages
    pages = sum(answer.pages for answer in ANSWERS.values())
    lines = sum(len(answer.texts) for answer in ANSWERS.values())
    assert copies == pages
    assert lines_in(Path(sys.executable), read) == (2 * pages, 2 * lines)
