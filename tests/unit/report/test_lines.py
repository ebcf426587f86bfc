"""The lines of a recognition beside what was read in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from htr_exp.core.files import write_jsonl
from htr_exp.core.visible import Piece
from htr_exp.report import lines as report_lines
from htr_exp.report.lines import (
    ScoredLine,
    kinds_of_errors,
    most_confused,
    reference_of,
    scored_lines,
    stretches,
    worst,
)
from htr_exp.runs.run_dir import RunDir
from htr_exp.scoring.differences import errors
from htr_exp.scoring.lines import LinePair, score
from htr_exp.scoring.text_order import display_order


def row(line: str, reference: str, base: str | None, best: str | None, **more: Any) -> dict[str, Any]:
    return {"page": "p.xml", "line": line, "reference": reference, "base": base, "best": best, **more}


def read(folder: Path, *rows: Any, models: tuple[str, ...] = ("base", "best")) -> list[ScoredLine]:
    (folder / "predictions").mkdir(exist_ok=True)
    write_jsonl(folder / "predictions" / "test.jsonl", rows)
    return scored_lines(RunDir(folder), "test", models)


def told(line: ScoredLine, model: str) -> list[tuple[str, str, str]]:
    found = stretches(line.readings[model])
    return [(one.kind, "".join(piece.text for piece in one.pieces), one.said) for one in found]


def test_a_reading_is_told_in_parts(tmp_path: Path) -> None:
    (line,) = read(tmp_path, row("l1", "in principio", "in prnncipioo", "i principio"))
    assert told(line, "best") == [("", "i", ""), ("missing", "n", "not read"), ("", " principio", "")]
    assert told(line, "base") == [
        ("", "in pr", ""), ("other", "n", "instead of i"), ("", "ncipi", ""), ("more", "o", "not written there"), ("", "o", ""),
    ]  # fmt: skip
    assert reference_of(line.readings["best"]) == (Piece("in principio"),)
    assert (line.direction, line.characters, line.is_cut) == ("ltr", 12, False)


def test_blanks_that_differ_and_marks_without_a_letter_are_seen(tmp_path: Path) -> None:
    joined, marked = read(tmp_path, row("l1", "a b", "ab", "a b"), row("l2", "a", "a", "\u0303"))
    assert told(joined, "base")[1] == ("missing", "\N{OPEN BOX}", "not read")
    assert told(marked, "best") == [("other", "\N{DOTTED CIRCLE}\u0303", "instead of a")]


def test_what_cannot_be_seen_is_shown_as_its_code(tmp_path: Path) -> None:
    (line,) = read(tmp_path, row("l1", "a\ufffdb", "ab", "ab"))
    assert Piece("U+FFFD", "U+FFFD REPLACEMENT CHARACTER") in reference_of(line.readings["best"])


def test_lines_without_a_reading_and_without_text(tmp_path: Path) -> None:
    unread, unwritten, neither = read(
        tmp_path, row("a", "ab", None, ""), row("b", "", "", "xy"), row("c", "", None, None)
    )
    assert told(unread, "best") == told(unread, "base") == [("missing", "ab", "not read")]
    assert told(unwritten, "best") == [("more", "xy", "not written there")]
    assert told(neither, "best") == []
    assert (unwritten.characters, unwritten.direction) == (0, "ltr")


def test_a_right_to_left_line_has_the_errors_of_its_score(tmp_path: Path) -> None:
    reference, hypothesis = "שָׁלוֹם עולם 12", "שָׁלום עולס 12"
    shown = {"reference": display_order(reference, "7.1"), "base": None, "best": display_order(hypothesis, "7.1")}
    (line,) = read(tmp_path, row("l", reference, None, hypothesis, display=shown))
    counted = score([LinePair("p", "l", reference, shown["best"])])
    assert counted.errors == 2
    assert errors(line.readings["best"]) == 2
    assert line.direction == "rtl"
    assert "".join(piece.text for piece in reference_of(line.readings["best"])) == reference


def test_the_worst_lines_have_most_errors(tmp_path: Path) -> None:
    lines = read(
        tmp_path,
        row("one", "abcdef", "", "abcdex"),
        row("none", "abc", "xxx", "abc"),
        row("three", "abcdef", "", "xxxdef"),
        row("all of three", "abc", "", "xyz"),
    )
    assert [one.line for one in worst(lines, "best")] == ["all of three", "three", "one"]
    assert [one.line for one in worst(lines, "best", 1)] == ["all of three"]
    assert worst(read(tmp_path), "best") == []


def test_confusions_say_what_became_of_the_base_models(tmp_path: Path) -> None:
    lines = read(tmp_path, row("l1", "uuu c", "nnn e", "nuu c"), row("l2", "c a", "e", "c a\u0304"))
    of_best = most_confused(lines, ("base", "best"), "best")
    assert [(one.codes, one.counts) for one in of_best] == [
        ("U+0061 read as U+0101", (0, 1)), ("U+0075 read as U+006E", (3, 1)),
    ]  # fmt: skip
    of_base = most_confused(lines, ("base", "best"), "base")
    assert [(one.codes, one.counts) for one in of_base] == [
        ("U+0075 read as U+006E", (3, 1)), ("U+0063 read as U+0065", (2, 0)),
        ("U+0020 read as nothing", (1, 0)), ("U+0061 read as nothing", (1, 0)),
    ]  # fmt: skip
    assert of_base[2].expected == (Piece("\N{OPEN BOX}"),)
    assert kinds_of_errors(lines, "base") == {"other": 5, "missing": 2, "more": 0}


def test_a_line_beyond_measure_is_compared_in_part(tmp_path: Path) -> None:
    (line,) = read(tmp_path, row("l1", "a" * 1_000_000, "", "b" * 1_000_000))
    assert line.is_cut
    assert line.characters == report_lines.LONGEST
    assert sum(len(piece.text) for one in stretches(line.readings["best"]) for piece in one.pieces) <= 401


@pytest.mark.parametrize(
    "edited",
    [
        {"page": "p"}, {"page": 3, "line": "l", "reference": "a"}, {"page": "p", "line": "l", "reference": ["a"]}, row("l", "a", "b", "c") | {"best": 7},
        row("l", "a", "b", "c", display="no"), row("l", "a", "b", "c", display={"reference": 1}),
    ],
)  # fmt: skip
def test_records_that_are_no_lines_are_left_out(edited: dict[str, Any], tmp_path: Path) -> None:
    assert [one.line for one in read(tmp_path, edited, row("mine", "a", "b", "c"))] == ["mine"]
