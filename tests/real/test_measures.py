"""The measures of recognition on what a real model reads on real pages, beside `ketos test` and a program that shares no code with ours."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import regex

from helpers.ketos_test import ketos_test
from helpers.real_training import CPU, needs_kraken, result, run_to_end
from htr_exp.core.files import read_jsonl
from htr_exp.runs.run_dir import RunDir

pytestmark = [pytest.mark.kraken, needs_kraken]


@pytest.fixture(scope="module")
def run(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return run_to_end(
        tmp_path_factory.mktemp("measures"), "evaluate", f"dataset.path={real_data}/demo/page-foral-santarem-1347", "dataset.pattern=[12].xml",
        f"model.path={real_data}/models/medieval_small.mlmodel", *CPU,
    )  # fmt: skip


def edits(expected: Sequence[str], read: Sequence[str]) -> int:
    """The textbook dynamic programme."""
    row = list(range(len(read) + 1))
    for here, one in enumerate(expected, 1):
        diagonal, row[0] = row[0], here
        for there, other in enumerate(read, 1):
            diagonal, row[there] = row[there], min(row[there] + 1, row[there - 1] + 1, diagonal + (one != other))
    return row[-1]


def clusters(text: str) -> list[str]:
    return regex.findall(r"\X", " ".join(unicodedata.normalize("NFC", text).split()))


def counted(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    pairs = [(row["reference"], row["model"] or "") for row in rows]
    cut = [(clusters(reference), clusters(read)) for reference, read in pairs]
    letters = [tuple([one for one in side if one != " "] for side in sides) for sides in cut]
    words = [("".join(reference).split(), "".join(read).split()) for reference, read in cut]
    found: dict[str, int] = {}
    for errors, units, sides in (("errors", "characters", cut), ("errors_nospace", "characters_nospace", letters), ("word_errors", "words", words)):  # fmt: skip
        found |= {errors: sum(edits(*pair) for pair in sides), units: sum(len(pair[0]) for pair in sides)}
    return found


def test_the_raw_cer_is_the_figure_of_ketos_test(run: RunDir, real_data: Path) -> None:
    found = result(run)["test"]["model"]
    assert (found["errors_raw"], found["characters_raw"]) == ketos_test(
        f"{Path(sys.executable).parent}/ketos", "-d", "cpu", "--workers", "0", "--threads", "1", "test", "-f", "xml", "-B", "1",
        "-m", f"{real_data}/models/medieval_small.mlmodel", "-e", str(run.held_out_pages),
    )  # fmt: skip


def test_every_count_is_that_of_another_program(run: RunDir) -> None:
    found = result(run)["test"]["model"]
    rows = read_jsonl(run.predictions / "test.jsonl")
    assert len(rows) == found["lines"] > 20
    theirs = counted(rows)
    assert {key: found[key] for key in theirs} == theirs
    assert found["insertions"] + found["deletions"] + found["substitutions"] == found["errors"] > 0
    assert 0 < found["cer_folded_low"] <= found["cer_folded"] <= found["cer_folded_high"]
