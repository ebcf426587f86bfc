"""Every measure of a side of the split, beside each other: known, not known, and edited by hand."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.reports import figures
from htr_exp.core.task import RECOGNITION, SEGMENTATION
from htr_exp.report.figures import Model
from htr_exp.report.measures import NOT_KNOWN, measures

BASE, BEST = Model("base", "base"), Model("best", "fine-tuned")
KINDS: dict[str, Any] = {"insertions": 10, "deletions": 20, "substitutions": 70}
THIN = "\N{NARROW NO-BREAK SPACE}"


def shown(**of_best: Any) -> dict[str, str]:
    scores = {"best": figures(100, 1000) | of_best}
    return {measure.name: measure.cells[0] for measure in measures(RECOGNITION, scores, [BEST])}


def test_each_model_has_its_column_and_each_kind_of_error_its_share() -> None:
    scores = {
        "base": figures(4000, 10000, insertions=1000, deletions=1500, substitutions=1500),
        "best": figures(100, 10000, **KINDS),
    }
    cells = {measure.name: measure.cells for measure in measures(RECOGNITION, scores, [BASE, BEST])}
    assert cells["CER"] == ("40.00 %", "1.00 %")
    assert cells["insertions"] == (f"1{THIN}000 (25 %)", "10 (10 %)")
    assert cells["deletions"] == (f"1{THIN}500 (38 %)", "20 (20 %)")
    assert cells["substitutions"] == (f"1{THIN}500 (38 %)", "70 (70 %)")


def test_a_rate_has_its_interval() -> None:
    assert shown(cer_low=0.08, cer_high=0.125)["CER"] == "10.00 % (8.00 to 12.50 %)"
    assert shown(cer_low=None, cer_high=None)["CER"] == "10.00 %"
    assert shown(wer_low=0.2, wer_high="x")["WER"] == "10.00 %"


def test_what_an_older_run_has_not_counted_is_not_known() -> None:
    assert [shown()[name] for name in (*KINDS, "CER without blanks", "CER after folding")] == [NOT_KNOWN] * 5
    known = shown(cer_nospace=0.05, cer_folded=0.04, cer_folded_low=0.03, cer_folded_high=0.05)
    assert (known["CER without blanks"], known["CER after folding"]) == ("5.00 %", "4.00 % (3.00 to 5.00 %)")
    assert shown()["CER"] == "10.00 %"


@pytest.mark.parametrize("value", [None, "70", float("nan"), float("inf"), True, [1]])
def test_a_count_that_is_no_number_is_not_known(value: Any) -> None:
    assert shown(**KINDS | {"substitutions": value})["substitutions"] == NOT_KNOWN


@pytest.mark.parametrize("errors", [0, None, "x"])
def test_without_errors_there_is_no_share(errors: Any) -> None:
    assert shown(insertions=0, errors=errors)["insertions"] == "0"


def test_a_segmentation_has_none_of_them() -> None:
    assert measures(SEGMENTATION, {"best": {"line_f1": 0.5}}, [BEST]) == ()
