"""What a base model was trained on, and which pages it has seen before."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.guarded_pages import a_page, guarded, kinds
from helpers.made_up_texts import noisy
from helpers.made_up_texts import page as text_of
from helpers.sentences import sentences
from htr_exp.splits.fingerprints import Fingerprint, Lineage, sketch_of
from htr_exp.splits.leakage import LeakageReport
from htr_exp.splits.near_duplicates import letters


def learnt(**facts: Any) -> Lineage:
    values: dict[str, Any] = {"role": "train", "name": "old.xml", "source": "old-run"} | facts
    return Lineage("known", ("old-run",), (Fingerprint(**values),))


@pytest.mark.parametrize("facts", [{"page_digest": "digest 2"}, {"image_digest": "image 2"}, {"xml_digest": "xml 2"}])
def test_a_page_that_the_base_model_has_learnt_may_only_be_learnt_again(facts: dict[str, str]) -> None:
    base = learnt(**facts)
    (leak,) = guarded([a_page(1)], [a_page(2)], base).leaks
    assert (leak.kind, leak.measure.startswith("the same ")) == ("base_model", True)
    assert kinds(guarded([a_page(1)], [], base, validation=[a_page(2)])) == ["base_model"]
    assert not guarded([a_page(2)], [a_page(1)], base).leaks


def test_validation_pages_may_have_been_validation_pages_before() -> None:
    base = learnt(role="validation", image_digest="image 2")
    assert not guarded([a_page(1)], [], base, validation=[a_page(2)]).leaks
    assert kinds(guarded([a_page(1)], [a_page(2)], base)) == ["base_model"]


def test_what_the_base_model_has_nearly_learnt_is_told() -> None:
    findings = guarded([a_page(1)], [a_page(2)], learnt(letters=letters(noisy(text_of(2), 0.08))))
    assert kinds(findings) == ["base_model"]
    assert (
        "f2.xml (test) and old.xml (train of the base model, old-run): their texts agree"
        in sentences(findings.problems())[0]
    )


def test_a_page_of_which_only_a_sketch_is_known_is_recognised_by_its_text() -> None:
    sketch = sketch_of(letters(noisy(text_of(2), 0.01)))
    (leak,) = guarded([a_page(1)], [a_page(2), a_page(3)], learnt(sketch=sketch)).leaks
    assert leak.page == "f2.xml"
    assert "by a sample of both" in leak.measure


def test_a_short_text_is_not_recognised_by_its_sketch() -> None:
    """A formula fills it: the limit is that of texts."""
    short = "in nomine patris et filii et spiritus sancti amen"
    assert not guarded([a_page(1)], [a_page(2, short)], learnt(sketch=sketch_of(letters(short)))).leaks


def test_a_page_of_a_list_is_recognised_by_its_name_and_then_by_what_is_here_of_it() -> None:
    listed = learnt(name="data/F2.chocomufin.xml", listed=True, names=("data/F2.jpg",))
    double = a_page(8, noisy(text_of(2), 0.05))
    report = guarded(
        [a_page(1)], [a_page(2), double, a_page(3)], Lineage("known", (), listed.pages, (), "model.trained_on=l.tsv")
    )
    assert {leak.page: leak.measure for leak in report.leaks}["f2.xml"] == "the same name in model.trained_on=l.tsv"
    assert {leak.page for leak in report.leaks} == {"f2.xml", "f8.xml"}


def test_pages_of_runs_are_not_recognised_by_names() -> None:
    """Every second dataset has a page_0001.xml."""
    assert not guarded([a_page(1)], [a_page(2)], learnt(name="f2.xml")).leaks


def of_lists(report: LeakageReport) -> list[str]:
    return [said for said in report.warnings if "in this dataset" in said]


def test_a_list_that_names_no_page_of_the_dataset_is_told() -> None:
    pages = (Fingerprint("train", "other.xml", "l.tsv:2", xml_digest="e" * 64, listed=True, names=("other.xml",)),)
    base = Lineage("known", ("l.tsv",), pages, (), "model.trained_on=l.tsv")
    (said,) = of_lists(guarded([a_page(1)], [a_page(2)], base))
    assert said.startswith(
        "model.trained_on=l.tsv: none of its 1 page is in this dataset, by SHA-256, by name: make sure"
    )
    here = Lineage(
        "known", ("l.tsv",), (*pages, Fingerprint("train", "a", "l", xml_digest="xml 1", listed=True)), (), "l"
    )
    assert not of_lists(guarded([a_page(1)], [a_page(2)], here))  # it names a page that is learnt again
