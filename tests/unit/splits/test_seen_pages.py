"""What a base model was trained on, and the lists that say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.guarded_pages import a_page, guarded, kinds, table
from helpers.made_up_texts import noisy
from helpers.made_up_texts import page as text_of
from helpers.sentences import sentences
from htr_exp.core.errors import DatasetError
from htr_exp.splits import seen_pages

# the base model


def learnt(**facts: Any) -> seen_pages.Lineage:
    values: dict[str, Any] = {"role": "train", "name": "old.xml", "source": "old-run"} | facts
    return seen_pages.Lineage("known", ("old-run",), (seen_pages.Fingerprint(**values),))


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
    from htr_exp.splits.near_duplicates import letters

    findings = guarded([a_page(1)], [a_page(2)], learnt(letters=letters(noisy(text_of(2), 0.08))))
    assert kinds(findings) == ["base_model"]
    assert (
        "f2.xml (test) and old.xml (train of the base model, old-run): their texts agree"
        in sentences(findings.problems())[0]
    )


def test_fingerprints_read_back_the_same() -> None:
    page = seen_pages.Fingerprint("train", "a.xml", "run", "d", "x", "i", 5 << 500, "incipitliber")
    assert seen_pages.Fingerprint.from_json(json.loads(json.dumps(page.to_json()))) == page


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_a_list_of_training_data_is_read(tmp_path: Path, delimiter: str) -> None:
    rows = [["train", "a.xml", "A" * 64], ["val", "b.xml", "b" * 64], ["test", "c.xml", "c" * 64], ["", "d.xml", ""]]
    path = table(tmp_path / "list.csv", ["side", "xml", "image_sha256"], *rows, delimiter=delimiter)
    found = seen_pages.read_list(path)
    assert [(page.role, page.name, page.image_digest) for page in found] == [
        ("train", "a.xml", "a" * 64),
        ("validation", "b.xml", "b" * 64),
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["xml"], ["a.xml"]], "no column xml_sha256 or image_sha256; its columns are xml"),
        ([["xml_sha256"], ["abc"]], ":2: xml_sha256=abc: it is no SHA-256"),
        ([["xml_sha256"]], "names no file"),
        ([], "its columns are none"),
    ],
)
def test_a_list_that_says_nothing_is_refused(tmp_path: Path, rows: list[list[str]], said: str) -> None:
    with pytest.raises(DatasetError) as refused:
        seen_pages.read_list(table(tmp_path / "list.tsv", *rows))
    assert said in str(refused.value)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"model.trained_on=.*list.tsv: it cannot be read: No such file"):
        seen_pages.read_list(tmp_path / "list.tsv")
