"""Our counts beside those of other programs: recorded ones of jiwer and dinglehopper (`tests/data/measures/record.py`)."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.folders import CHECKOUT
from htr_exp.core.files import read_jsonl
from htr_exp.scoring.lines import LinePair, Score, clusters, score

VERSIONS, *ROWS = read_jsonl(CHECKOUT / "tests/data/measures/recorded.jsonl")


def ours(row: dict[str, Any]) -> Score:
    return score([LinePair("page", "line", row["reference"], row["read"])])


def test_the_versions_of_the_programs_are_recorded() -> None:
    assert VERSIONS.items() >= {"jiwer": "4.0.0", "dinglehopper": "0.11.0"}.items()
    assert len(ROWS) > 100


def test_cer_raw_counts_what_jiwer_counts() -> None:
    for row in ROWS:
        assert (ours(row).errors_raw, ours(row).characters_raw) == (sum(row["jiwer"]), len(row["reference"]))


def test_kinds_of_errors_are_those_of_jiwer_where_each_character_is_a_code_point() -> None:
    plain = [row for row in ROWS if all(isinstance(clusters(row[text]), str) for text in ("reference", "read"))]
    assert len(plain) > 20
    for row in plain:
        counted = ours(row)
        assert [counted.insertions, counted.deletions, counted.substitutions] == row["jiwer"]


def test_wer_counts_what_jiwer_counts() -> None:
    for row in ROWS:
        assert (ours(row).word_errors, ours(row).words) == (row["jiwer_words"], len(row["reference"].split()))


def test_cer_counts_what_dinglehopper_counts() -> None:
    for row in ROWS:
        counted = ours(row)
        assert (counted.errors, counted.characters) == (row["dinglehopper"], row["dinglehopper_characters"])
        assert counted.cer == pytest.approx(row["dinglehopper_cer"])
