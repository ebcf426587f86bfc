"""What was gained, with counts: over all pages, by document, by page."""

from __future__ import annotations

import math
from typing import Any

import pytest

from helpers.reports import figures
from htr_exp.core.task import RECOGNITION, SEGMENTATION
from htr_exp.report.figures import Model, by_column, by_document, by_page, gains, number

BASE, BEST = Model("base", "base"), Model("best", "fine-tuned")
THIN = "\N{NARROW NO-BREAK SPACE}"

SCORES = {
    "base": figures(300, 1200, {"a/1.xml": (200, 400), "a/2.xml": (60, 600), "b/1.xml": (40, 200)}),
    "best": figures(120, 1200, {"a/1.xml": (40, 400), "a/2.xml": (30, 600), "b/1.xml": (50, 200)}),
}
LAYOUT = {
    name: {
        "line_f1": f1, "region_iou_any": 0.5, "lines": 40, "lines_found": found,
        "per_page": [{"page": "x/1.xml", "line_f1": f1, "lines": 40, "lines_found": found}, {"page": "y/2.xml", "line_f1": 1.0}],
    }
    for name, f1, found in (("base", 0.5, 20), ("best", 0.75, 30))
}  # fmt: skip


def test_the_gain_has_its_counts() -> None:
    cer, wer = gains(RECOGNITION, SCORES, [BASE, BEST])
    assert (cer.heading, cer.values, cer.better) == ("CER", ("25.00 %", "10.00 %"), True)
    assert cer.said == (f"300 → 120 errors in 1{THIN}200 characters", "60 % fewer errors")
    assert (wer.heading, wer.values, wer.said) == ("WER", ("25.00 %", "10.00 %"), ())


def test_a_loss_is_called_so() -> None:
    scores = {"base": figures(10, 100), "best": figures(12, 100)}
    found = gains(RECOGNITION, scores, [BASE, BEST])[0]
    assert (found.better, found.said[-1]) == (False, "20 % more errors")


@pytest.mark.parametrize(
    ("scores", "models", "values", "said"),
    [
        ({"model": figures(5, 50)}, [Model("model", "evaluated")], ("10.00 %",), ("5 errors in 50 characters",)),
        ({"best": figures(5, 50)}, [Model("best", "trained")], ("10.00 %",), ("5 errors in 50 characters",)),
        ({"base": figures(0, 50), "best": figures(0, 50)}, [BASE, BEST], ("0.00 %", "0.00 %"), ("0 → 0 errors in 50 characters",)),
        ({"base": figures(0, 50), "best": figures(1, 50)}, [BASE, BEST], ("0.00 %", "2.00 %"), ("0 → 1 errors in 50 characters",)),
        ({"model": figures(1, 1)}, [Model("model", "evaluated")], ("100.00 %",), ("1 error in 1 character",)),
        ({"base": {}, "best": {"cer": "good", "errors": True}}, [BASE, BEST], ("-", "-"), ()),
    ],
)  # fmt: skip
def test_without_a_base_model_or_without_errors(scores: Any, models: Any, values: Any, said: Any) -> None:
    found = gains(RECOGNITION, scores, models)[0]
    assert (found.values, found.said) == (values, said)


def test_a_segmentation_counts_lines() -> None:
    f1, iou = gains(SEGMENTATION, LAYOUT, [BASE, BEST])
    assert (f1.values, f1.better, f1.said) == (("0.5000", "0.7500"), True, ("20 → 30 of 40 lines found",))
    assert (iou.values, iou.better) == (("0.5000", "0.5000"), None)


def test_the_worst_page_is_first() -> None:
    pages = by_page(RECOGNITION, SCORES, [BASE, BEST])
    assert [page.name for page in pages] == ["b/1.xml", "a/1.xml", "a/2.xml"]
    assert pages[0].facts == ("2 lines", "50 errors in 200 characters")
    assert [(bar.text, bar.width) for bar in pages[0].bars] == [("20.00 %", 40.0), ("25.00 %", 50.0)]
    assert [(bar.text, bar.width) for bar in pages[1].bars] == [("50.00 %", 100.0), ("10.00 %", 20.0)]


def test_a_document_is_a_folder_and_its_errors_are_summed() -> None:
    documents = by_document(RECOGNITION, SCORES, [BASE, BEST])
    assert [(one.name, [bar.text for bar in one.bars]) for one in documents] == [
        ("b", ["20.00 %", "25.00 %"]), ("a", ["26.00 %", "7.00 %"]),
    ]  # fmt: skip
    assert documents[1].facts == ("2 pages", "4 lines", f"70 errors in 1{THIN}000 characters")


def test_pages_of_one_folder_are_one_document_which_needs_no_table() -> None:
    one = {"best": figures(2, 20, {"1.xml": (1, 10), "2.xml": (1, 10)})}
    assert by_document(RECOGNITION, one, [BEST]) == []
    mixed = {"best": figures(2, 20, {"1.xml": (1, 10), "a/2.xml": (1, 10)})}
    assert [part.name for part in by_document(RECOGNITION, mixed, [BEST])] == ["(no folder)", "a"]


def test_pages_of_a_segmentation_are_worst_where_the_figure_is_low() -> None:
    pages = by_page(SEGMENTATION, LAYOUT, [BASE, BEST])
    assert [(page.name, [bar.width for bar in page.bars]) for page in pages] == [
        ("x/1.xml", [50.0, 75.0]),
        ("y/2.xml", [100.0, 100.0]),
    ]
    assert pages[0].facts == ("30 of 40 lines found",)
    assert by_document(SEGMENTATION, LAYOUT, [BASE, BEST]) == []


def test_a_page_that_the_base_model_was_not_scored_on_has_no_figure_of_it() -> None:
    scores = {"base": figures(1, 10, {"1.xml": (1, 10)}), "best": figures(2, 20, {"1.xml": (0, 10), "2.xml": (2, 10)})}
    assert [bar.text for bar in by_page(RECOGNITION, scores, [BASE, BEST])[0].bars] == ["-", "20.00 %"]


def test_a_rate_beyond_all_measure_and_an_empty_reference() -> None:
    scores = {"best": figures(30_000, 10, {"1.xml": (30_000, 10), "2.xml": (0, 0)})}
    assert gains(RECOGNITION, scores, [BEST])[0].values == ("300000.00 %",)
    pages = by_page(RECOGNITION, scores, [BEST])
    assert [bar.width for page in pages for bar in page.bars] == [100.0, 0.0]


@pytest.mark.parametrize("value", [None, True, "1", [1], math.nan, math.inf, 10**30, {}])
def test_what_is_no_figure_is_none(value: Any) -> None:
    assert number({"cer": value}, "cer") is None
    assert number({"cer": 1}, "cer") == 1.0
    assert number(None, "cer") is None


@pytest.mark.parametrize("listed", [None, "x", 7, [7, None, {"page": 3}, {"cer": 1}]])
def test_a_list_of_pages_that_was_edited_shows_what_is_left(listed: Any) -> None:
    assert by_page(RECOGNITION, {"best": {"per_page": listed}}, [BEST]) == []
    assert by_document(RECOGNITION, {"best": {"per_page": listed}}, [BEST]) == []


def test_the_values_of_each_column_of_the_table_of_pages_have_their_score() -> None:
    def by(odo: float, guy: float) -> dict[str, Any]:
        rows = [{"value": "Odo", "cer": odo, "pages": 2, "lines": 4}, {"value": "", "cer": guy, "pages": 1, "lines": 2}]
        return {"by": {"hand": rows, "folder": rows}}

    scores = {"base": figures(3, 10) | by(0.3, 0.2), "best": figures(2, 10) | by(0.1, 0.2)}
    ((column, values),) = by_column(RECOGNITION, scores, [BASE, BEST])
    assert (column, [(one.name, [bar.text for bar in one.bars]) for one in values]) == (
        "hand", [("(not said)", ["20.00 %", "20.00 %"]), ("Odo", ["30.00 %", "10.00 %"])],
    )  # fmt: skip
    assert values[0].facts == ("1 page", "2 lines")


@pytest.mark.parametrize("by", [None, "x", [1], {"hand": 7}, {"hand": [7, None]}, {"hand": [{"value": 3, "cer": "x"}]}])
def test_columns_that_were_edited_show_what_is_left(by: Any) -> None:
    found = by_column(RECOGNITION, {"best": {"by": by}}, [BEST])
    assert [bar.text for _, values in found for one in values for bar in one.bars] in ([], ["-"])
