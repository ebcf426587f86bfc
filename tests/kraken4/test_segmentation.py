"""blla fine-tuned by the real kraken 4.3.13 on strips of real pages; both models are scored on the same page."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.real_training import ALTO, DATA, lists, narrow_pages, result, train
from htr_exp.kraken.class_names import known_classes
from htr_exp.kraken.model_file import read_header
from kraken4.test_training import MODULE, MODULEFILES

pytestmark = [
    pytest.mark.kraken4,
    pytest.mark.skipif(not MODULEFILES, reason="needs kraken 4.3.13: run `make test-kraken4`"),
    pytest.mark.skipif(DATA is None, reason="real ground truth is not here: set HTR_EXP_REAL_DATA to its folder"),
]


def test_blla_learns_the_types_of_a_book_and_is_scored_beside_what_it_was(tmp_path: Path) -> None:
    pages = narrow_pages(ALTO, tmp_path / "pages", 3)
    words = [f"dataset.path={pages}", "model=blla", "training.quit=fixed", "training.epochs=1", *lists(pages, 1)]
    run = train(tmp_path, *MODULE, *words, "classes.lines.*=default", "classes.regions.MainZone=text")
    found = result(run)
    assert found["kraken"]["version"] == "4.3.13"
    base, best = found["test"]["base"], found["test"]["best"]
    assert base["lines"] == best["lines"] > 0
    assert base["line_f1"] > 0.3
    assert best["line_f1"] > 0.3
    (record,) = run.epochs()  # the rehearsal is none
    assert 0 < record["val_mean_iu"] < 1
    classes = run.facts()["classes"]
    assert set(classes["numbers"]["regions"]) >= {"text"}
    named = known_classes(read_header(run.best))
    assert {sort: sorted(of) for sort, of in named.items()} == {
        sort: sorted(of) for sort, of in classes["numbers"].items()
    }
