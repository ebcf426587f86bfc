"""The guard in whole runs: what it stops, what it records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fakes.scenario import weights
from helpers.guarded_pages import table
from helpers.made_up_texts import noisy
from helpers.made_up_texts import page as text_of
from helpers.page_files import page_line, page_xml
from helpers.sentences import sentences
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ConfigError
from htr_exp.core.files import sha256_file
from htr_exp.core.run_state import RunState
from htr_exp.pipeline.plan import Plan, make_plan
from htr_exp.pipeline.write import write_run
from htr_exp.runs import rows as runs_table
from htr_exp.runs.rows import compared_rows
from htr_exp.runs.run_dir import RunDir

# whole runs


def planned_run(words: Sequence[str], *changes: str, evaluate: bool = False) -> Plan:
    taken = {change.partition("=")[0] for change in changes}
    return make_plan(compose_experiment([word for word in words if word.partition("=")[0] not in taken] + list(changes)),
                evaluate=evaluate)  # fmt: skip


def problems_of(words: Sequence[str], *changes: str, evaluate: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        planned_run(words, *changes, evaluate=evaluate)
    return [problem for problem in sentences(refused.value) if problem.startswith("leakage:")]


@pytest.fixture
def long_pages(tmp_path: Path) -> Path:
    """Eight pages with text enough to be compared; the eighth is the first, transcribed again."""
    folder = tmp_path / "long"
    folder.mkdir()
    texts = [text_of(seed) for seed in range(7)]
    for number, text in enumerate([*texts, noisy(texts[0], 0.06)]):
        image = Image.new("L", (400, 300), 200)
        image.putpixel((0, 0), number)
        image.save(folder / f"f{number}.png")
        words = text.split()
        lines = [page_line(at + 1, " ".join(words[at : at + 8])) for at in range(0, len(words), 8)]
        (folder / f"f{number}.xml").write_text(page_xml("".join(lines), image=f"f{number}.png"), encoding="utf-8")
    return folder


@pytest.fixture
def separating(tmp_path: Path) -> Path:
    """A table that puts the first page and its double on two sides."""
    sides = {"f0": "train", "f1": "train", "f2": "validation", "f7": "test"}
    return table(tmp_path / "split.csv", ["page", "split"], *sides.items(), delimiter=",")


@pytest.fixture
def words(experiment: list[str], long_pages: Path, separating: Path) -> list[str]:
    kept = [word for word in experiment if not word.startswith(("dataset.path", "split."))]
    return [*kept, f"dataset.path={long_pages}", "split=table", f"split.table={separating}"]


def test_a_given_split_that_leaks_stops_the_run(words: list[str]) -> None:
    said = problems_of(words)
    assert "near_text: f0.xml (train) and f7.xml (test): their texts agree in" in said[0]
    assert said[1].endswith("leakage.accept=[near_text]")


def test_an_accepted_leak_is_in_the_record_and_in_every_row(words: list[str], capsys: Any) -> None:
    from htr_exp.core.console import console
    from htr_exp.runs import compare_table, status_table
    from htr_exp.tracking import run_view

    made = planned_run(words, "leakage.accept=[near_text]")
    run, _ = write_run(made, command=["htr_exp", "train"])
    assert run.facts()["leakage"]["accepted"]["near_text"]["pairs"][0]["page"] == "f0.xml"
    row = runs_table.row_of(run)
    assert row["leakage"] == ["near_text"]
    assert run_view.read(run.path, made.places.workspace).tags["htr_exp.leakage"] == "near_text"
    rows, varied = compared_rows([run])
    status_table.show_status(console(), [row])
    assert "near_text" in capsys.readouterr().out
    compare_table.show_table(console(), rows, varied)
    assert "near_text" in capsys.readouterr().out
    compare_table.show_result(console(), row | {"state": RunState.DONE, "reason": None})
    assert "leakage accepted: near_text" in capsys.readouterr().out


def test_a_clean_run_has_no_mark(planned: Callable[..., RunDir], capsys: Any) -> None:
    from htr_exp.core.console import console
    from htr_exp.runs import status_table

    run = planned()
    assert runs_table.row_of(run)["leakage"] == []
    status_table.show_status(console(), [runs_table.row_of(run)])
    assert "leakage" not in capsys.readouterr().out


def finished(run: RunDir, accuracy: float = 0.8) -> Path:
    """Give a run its best model, as if it had trained, and return it."""
    run.best.write_bytes(weights(accuracy=accuracy))
    run.results.write_text(json.dumps({"models": {"best": sha256_file(run.best)}}))
    return run.best


def test_a_model_of_our_own_is_recognised_wherever_its_file_is(words: list[str], tmp_path: Path) -> None:
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    best = finished(first)
    copied = Path(shutil.copy(best, tmp_path / "elsewhere.mlmodel"))
    swapped = table(tmp_path / "swapped.csv", ["page", "split"], ["f3", "train"], ["f4", "validation"], ["f1", "test"],
                    delimiter=",")  # fmt: skip
    for model in (best, copied):
        said = problems_of(words, f"model.path={model}", f"split.table={swapped}")
        assert f"base_model: f1.xml (test) and f1.xml (train of the base model, {first.name})" in said[0]


def test_a_chain_of_models_is_followed_through_runs_that_are_gone(words: list[str], tmp_path: Path) -> None:
    def split(name: str, **sides: str) -> str:
        return f"split.table={table(tmp_path / name, ['page', 'split'], *sides.items(), delimiter=',')}"

    first, _ = write_run(planned_run(words, split("1.csv", f1="train", f2="validation")), command=[])
    second_plan = planned_run(words, f"model.path={finished(first)}", split("2.csv", f3="train", f4="validation"))
    second, _ = write_run(second_plan, command=[])
    best = finished(second, 0.9)
    shutil.rmtree(first.path)
    said = problems_of(words, f"model.path={best}", split("3.csv", f5="train", f6="validation", f1="test"))
    assert f"f1.xml (test) and f1.xml (train of the base model, {first.name})" in said[0]
    # what the small experiment starts from is nobody's: the rest of the chain is not known
    record = planned_run(
        words, f"model.path={best}", split("4.csv", f3="train", f4="validation", f5="test")
    ).leaks.record()
    assert record["base_model"]["trained_on"] == "in part"


def test_going_on_with_the_same_split_is_no_leak(words: list[str]) -> None:
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    made = planned_run(words, f"model.path={finished(first)}", "leakage.accept=[near_text,base_model]")
    assert {leak.page for leak in made.leaks.accepted["base_model"]} == {"f7.xml"}  # only the double in the test set


def test_evaluating_on_what_the_model_was_trained_on_is_refused(
    words: list[str], long_pages: Path, tmp_path: Path
) -> None:
    digests = [[f"f{number}.xml", sha256_file(long_pages / f"f{number}.xml")] for number in range(7)]
    listed = table(tmp_path / "trained.tsv", ["xml", "xml_sha256"], *digests)
    alone = [word for word in words if not word.startswith("split")]
    said = problems_of(alone, f"model.trained_on={listed}", evaluate=True)
    assert len(said) == 9  # seven listed pages, the double of one, what to do
    made = planned_run(alone, f"model.trained_on={listed}", "leakage.accept=[base_model]", evaluate=True)
    assert made.leaks.record()["base_model"] == {"trained_on": "known", "sources": ["trained.tsv"], "pages": 7}


def test_a_base_model_of_unknown_origin_is_recorded_as_that(planned: Callable[..., RunDir]) -> None:
    assert planned().facts()["leakage"]["base_model"] == {"trained_on": "unknown", "sources": [], "pages": 0}
