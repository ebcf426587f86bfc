"""The form of fingerprints in runs and in models, and texts compared by samples."""

from __future__ import annotations

import base64
import json
import random
import zlib
from typing import Any

import pytest

from helpers.made_up_texts import noisy
from helpers.made_up_texts import page as text_of
from htr_exp.splits.fingerprints import (
    Fingerprint,
    Lineage,
    for_model,
    of_model,
    shared_share,
    short_hashes_of,
    sketch_of,
)
from htr_exp.splits.near_duplicates import letters

XML, IMAGE = "ab" * 32, "cd" * 32


def test_fingerprints_read_back_the_same() -> None:
    page = Fingerprint(
        "train", "a.xml", "run", "d", "x", "i", 5 << 500, "incipitliber", (1, 0xFFFFFF), True, ("a", "b")
    )
    assert Fingerprint.from_json(json.loads(json.dumps(page.to_json()))) == page


def said_by_model(**changes: Any) -> dict[str, Any]:
    pages = (
        Fingerprint("train", "ms/f1.xml", "run", "page", XML, IMAGE, 5 << 500, letters(text_of(1))),
        Fingerprint("validation", "f2.xml", "older", None, None, None, None, "", (7, 8)),
    )
    values = for_model(Lineage("in part", ("run", "older", "list.tsv"), pages)) | {"weights": "w"} | changes
    return json.loads(json.dumps(values))


def test_a_model_says_what_recognises_its_pages_and_nothing_of_their_texts() -> None:
    read = of_model(said_by_model(), "w")
    assert (read.known, read.sources) == ("in part", ("run", "older", "list.tsv"))
    first, second = read.pages
    sketch = sketch_of(letters(text_of(1)))
    assert first == Fingerprint("train", "ms/f1.xml", "run", None, XML[:16], IMAGE[:16], 5 << 500, "", sketch)
    assert second == Fingerprint("validation", "f2.xml", "older", sketch=(7, 8))


def test_ten_thousand_pages_are_small_enough_for_a_model() -> None:
    chance = random.Random(1)
    pages = [
        Fingerprint("train", f"ms/f{number:03}.xml", "run", None, f"{chance.getrandbits(256):064x}",
                    f"{chance.getrandbits(256):064x}", chance.getrandbits(512), "",
                    tuple(sorted(chance.sample(range(1 << 20), 64))))
        for number in range(100)
    ]  # fmt: skip
    size = len(json.dumps(for_model(Lineage("known", ("run",), tuple(pages)))))
    assert size < 100 * 450  # 4.5 MB of ten thousand, where a model has 5 to 25


def test_a_model_that_was_trained_on_since_is_known_in_part() -> None:
    said = said_by_model(known="known")
    assert of_model(said, "w").known == "known"
    since = of_model(said, "other")
    assert (since.known, len(since.pages)) == ("in part", 2)
    assert "trained on more pages since" in since.notes[0]


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "text",
        [],
        {},
        said_by_model(pages="AAAA"),
        said_by_model(pages="no base64!"),
        said_by_model(pages=base64.b64encode(zlib.compress(b"[[1, 2]]")).decode()),
        said_by_model(pages=base64.b64encode(zlib.compress(b'[["t", "a", 99, "", "", "", ""]]')).decode()),
        said_by_model(pages=base64.b64encode(zlib.compress(b'[["t", "a", 0, "", "", "xyz", ""]]')).decode()),
        said_by_model(pages=base64.b64encode(zlib.compress(b"[" * 100_000)).decode()),
        said_by_model(form=99),
        said_by_model(sources=None),
    ],
)
def test_what_cannot_be_read_is_unknown_and_told(broken: Any) -> None:
    read = of_model(broken, "w")
    assert (read.known, read.pages, len(read.notes)) == ("unknown", (), 1)


def test_names_in_a_foreign_model_cannot_steer_a_terminal() -> None:
    evil = Fingerprint("train", "\x1b[2Jgone\n", "\x1b]0;run")
    (page,) = of_model(for_model(Lineage("known", (), (evil,))) | {"weights": "w"}, "w").pages
    assert (page.name, page.source) == ("?[2Jgone?", "?]0;run")


def test_a_sketch_estimates_the_share_of_a_text_that_is_in_another() -> None:
    text = letters(" ".join(text_of(seed) for seed in range(5)))
    sketch = sketch_of(text)
    assert len(sketch) == 64
    assert shared_share(sketch, short_hashes_of(text)) == 1
    assert 0.85 < shared_share(sketch, short_hashes_of(letters(noisy(text, 0.01)))) < 1
    assert shared_share(sketch, short_hashes_of(letters(" ".join(text_of(seed) for seed in range(5, 10))))) < 0.3
    assert shared_share(sketch, short_hashes_of(text[: len(text) // 2])) > 0.9
    assert shared_share(sketch, short_hashes_of(text[:100])) == 0  # too little to say
    assert shared_share((), short_hashes_of(text)) == 0
