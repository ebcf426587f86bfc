"""blla fine-tuned by the real kraken 4.3.13 on strips of real pages; both models are scored on the same page."""

from __future__ import annotations

from pathlib import Path

from helpers.real_pages import ALTO, lists, narrow_pages
from helpers.real_training import CPU, result, run_to_end
from htr_exp.kraken.class_names import known_classes
from htr_exp.kraken.model_file import read_header


def test_blla_learns_the_types_of_a_book_and_is_scored_beside_what_it_was(
    in_module: list[str], real_data: Path, tmp_path: Path
) -> None:
    pages = narrow_pages(real_data / ALTO, tmp_path / "pages", 3)
    words = [f"dataset.path={pages}", "model=blla", "training.quit=fixed", "training.epochs=1", *lists(pages, 1)]
    run = run_to_end(
        tmp_path,
        "train",
        "task=segmentation",
        *CPU,
        *in_module,
        *words,
        "classes.lines.*=default",
        "classes.regions.MainZone=text",
    )
    found = result(run)
    assert found["kraken"]["version"] == "4.3.13"
    base, best = found["test"]["base"], found["test"]["best"]
    assert base["lines"] == best["lines"] > 0
    assert base["line_f1"] > 0.3
    assert best["line_f1"] > 0.3
    (record,) = run.epochs()  # the sanity check is none
    assert 0 < record["val_mean_iu"] < 1
    classes = run.facts()["classes"]
    assert set(classes["numbers"]["regions"]) >= {"text"}
    named = known_classes(read_header(run.best))
    assert {sort: sorted(of) for sort, of in named.items()} == {
        sort: sorted(of) for sort, of in classes["numbers"].items()
    }
