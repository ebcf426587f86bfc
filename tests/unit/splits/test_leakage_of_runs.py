"""The guard in whole runs: what it stops, what it records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fakes.scenario import BLLA, segmentation_weights, weights
from helpers.folders import CHECKOUT
from helpers.guarded_pages import table
from helpers.made_up_texts import noisy
from helpers.made_up_texts import page as text_of
from helpers.page_files import page_line, page_xml
from helpers.sentences import sentences
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ConfigError
from htr_exp.core.files import read_json, sha256_file
from htr_exp.core.run_state import RunState
from htr_exp.kraken.model_metadata import update_metadata
from htr_exp.kraken.model_weights import weights_digest
from htr_exp.pipeline.plan import Plan, make_plan
from htr_exp.pipeline.write import write_run
from htr_exp.runs import rows as runs_table
from htr_exp.runs.judgements import judgements
from htr_exp.runs.rows import compared_rows
from htr_exp.runs.run_dir import RunDir
from htr_exp.splits import fingerprints

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
    rows, varied, _ = compared_rows([run])
    status_table.show_status(console(), [row])
    assert "near_text" in capsys.readouterr().out
    compare_table.show_table(console(), rows, varied)
    assert "near_text" in capsys.readouterr().out
    compare_table.show_result(console(), row | {"state": RunState.DONE, "reason": None})
    assert "leakage accepted: near_text" in capsys.readouterr().out


def judged(run: RunDir) -> list[str]:
    return runs_table.row_of(run)["leakage"]


def done(run: RunDir) -> RunDir:
    run.write_state(RunState.DONE)
    return run


def test_a_done_run_that_is_asked_for_with_other_words_is_judged_anew(words: list[str], tmp_path: Path) -> None:
    alone = [word for word in words if not word.startswith("split")]
    first, _ = write_run(planned_run(alone), command=["first"])
    assert judged(done(first)) == []
    assert runs_table.row_of(first)["convention_mismatch"] is False
    sealed = first.provenance.read_bytes()
    listed = table(tmp_path / "trained.tsv", ["page"], ["of/another.xml"])
    other = ["leakage.near_image=0.05", "dataset.transcription_convention=graphematic",
             "model.transcription_convention=expanded", f"model.trained_on={listed}"]  # fmt: skip
    again, new = write_run(planned_run(alone, *other), command=["second"])
    assert (again.path, new) == (first.path, False)
    row = runs_table.row_of(first)
    assert row["leakage"] == ["near_image=0.05"]
    assert (row["convention_mismatch"], row["trained_on"]) == (True, "known")
    write_run(planned_run(alone), command=["third"])  # what was accepted once stays shown
    row = runs_table.row_of(first)
    assert (row["leakage"], row["convention_mismatch"]) == (["near_image=0.05"], True)
    assert (row["trained_on"], row["unknown_data"]) == ("unknown", ["base model's training data: unknown"])
    assert [one["command"] for one in judgements(first)] == [["first"], ["second"], ["third"]]
    assert first.provenance.read_bytes() == sealed


def test_a_done_run_that_is_asked_for_with_the_same_words_is_left_alone(words: list[str]) -> None:
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    write_run(planned_run(words, "leakage.accept=[near_text]"), command=["again"])
    write_run(planned_run(words, "leakage.accept=[near_text]"), command=["done"])
    done(first)
    write_run(planned_run(words, "leakage.accept=[near_text]"), command=["and again"])
    assert not first.judgements.exists()


def test_a_run_under_an_acceptance_that_is_asked_for_without_it_is_refused_and_stays_marked(words: list[str]) -> None:
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    done(first)
    assert problems_of(words)
    assert judged(first) == ["near_text"]


def test_an_acceptance_of_a_done_run_is_in_mlflow_too(words: list[str]) -> None:
    from htr_exp.tracking import run_view

    made = planned_run(words, "leakage.accept=[near_text]")
    first, _ = write_run(made, command=[])
    done(first)
    write_run(planned_run(words, "leakage.accept=[near_text]", "leakage.text_letters=130"), command=[])
    tags = run_view.read(first.path, made.places.workspace).tags
    assert tags["htr_exp.leakage"] == "near_text, text_letters=130"
    assert "Leakage accepted: near_text, text_letters=130" in tags["mlflow.note.content"]


def test_a_file_of_the_present_folder_that_weakens_the_guard_is_shown(words: list[str], workspace: Path) -> None:
    own = workspace / "conf" / "leakage"
    own.mkdir(parents=True)
    shipped = (CHECKOUT / "conf" / "leakage" / "default.yaml").read_text(encoding="utf-8")
    changed = shipped.replace("near_image: 0.15", "near_image: 0.01").replace("accept: []", "accept: [near_text]")
    (own / "default.yaml").write_text(changed, encoding="utf-8")
    made = make_plan(compose_experiment(words, [workspace / "conf"]))
    assert "leakage.near_image=0.01: weaker than 0.15, as shipped: every table shows it as accepted" in made.warnings
    run, _ = write_run(made, command=[])
    assert judged(run) == ["near_image=0.01", "near_text"]


def test_unknown_training_data_stands_in_plan_and_tables(
    planned: Callable[..., RunDir], words: list[str], capsys: Any
) -> None:
    from htr_exp.cli.plan_summary import show_plan
    from htr_exp.core.console import console
    from htr_exp.runs import compare_table, status_table

    said = "base model's training data: unknown"
    run = planned()
    row = runs_table.row_of(run)
    rows, varied, _ = compared_rows([run])
    made = planned_run(words, "leakage.accept=[near_text]")
    for show in (
        lambda: status_table.show_status(console(), [row]),
        lambda: compare_table.show_table(console(), rows, varied),
        lambda: compare_table.show_result(console(), row | {"state": RunState.DONE, "reason": None}),
        lambda: show_plan(console(), made, folder="f"),
    ):
        show()
        assert said in " ".join(capsys.readouterr().out.split())


def test_a_clean_run_has_no_mark(planned: Callable[..., RunDir], capsys: Any) -> None:
    from htr_exp.core.console import console
    from htr_exp.runs import status_table

    run = planned()
    assert runs_table.row_of(run)["leakage"] == []
    status_table.show_status(console(), [runs_table.row_of(run)])
    assert "leakage" not in capsys.readouterr().out


def finished(run: RunDir, accuracy: float = 0.8) -> Path:
    """Give a run its best model, as if it had trained, and return it; nothing is written into the model."""
    run.best.write_bytes(weights(accuracy=accuracy))
    run.results.write_text(json.dumps({"weights": {"best": weights_digest(run.best)}}))
    return run.best


def swapped_split(folder: Path) -> str:
    """A split whose test page is one that `separating` trains on."""
    rows = [["page", "split"], ["f3", "train"], ["f4", "validation"], ["f1", "test"]]
    return f"split.table={table(folder / 'swapped.csv', *rows, delimiter=',')}"


def test_a_model_of_our_own_is_recognised_wherever_its_file_is(words: list[str], tmp_path: Path) -> None:
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    best = finished(first)
    copied = Path(shutil.copy(best, tmp_path / "elsewhere.mlmodel"))
    for model in (best, copied):
        said = problems_of(words, f"model.path={model}", swapped_split(tmp_path))
        assert f"base_model: f1.xml (test) and f1.xml (train of the base model, {first.name})" in said[0]


def marked(run: RunDir, model: Path, weights_of: Path | None = None) -> Path:
    """Write into a model what a run's training writes into its best one."""
    lineage = fingerprints.read(read_json(run.fingerprints), run.name)
    said = {**fingerprints.for_model(lineage), "weights": weights_digest(weights_of or model)}
    update_metadata(model, {fingerprints.MODEL_KEY: said})
    return model


def test_a_model_says_itself_what_it_was_trained_on(words: list[str], tmp_path: Path) -> None:
    """In another workspace, without the run."""
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    model = tmp_path / "elsewhere.mlmodel"
    model.write_bytes(weights(accuracy=0.7))
    marked(first, model)
    shutil.rmtree(first.path)
    said = problems_of(words, f"model.path={model}", swapped_split(tmp_path))
    assert f"base_model: f1.xml (test) and f1.xml (train of the base model, {first.name})" in said[0]


def test_another_model_in_the_place_of_a_runs_best_does_not_inherit_its_pages(words: list[str], tmp_path: Path) -> None:
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    finished(first).write_bytes(weights(accuracy=0.7))
    made = planned_run(words, f"model.path={first.best}", swapped_split(tmp_path))
    assert made.leaks.record()["base_model"] == {"trained_on": "unknown", "sources": [], "pages": 0}


def test_a_model_that_was_trained_on_elsewhere_is_known_in_part(words: list[str], tmp_path: Path) -> None:
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    model, before = tmp_path / "m.mlmodel", tmp_path / "before.mlmodel"
    model.write_bytes(weights(accuracy=0.7))
    before.write_bytes(weights(accuracy=0.6))
    marked(first, model, weights_of=before)
    made = planned_run(words, f"model.path={model}", "leakage.accept=[near_text,base_model]")
    assert made.leaks.record()["base_model"]["trained_on"] == "in part"
    assert any("model: it has other weights than when" in said for said in made.warnings)


def test_two_runs_whose_best_models_have_the_same_weights_both_count(words: list[str], tmp_path: Path) -> None:
    """So it is where a training learnt nothing, or was done again on the same pages."""
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    second, _ = write_run(planned_run(words, swapped_split(tmp_path)), command=[])
    best = finished(first)
    finished(second)
    made = planned_run(words, f"model.path={best}", "leakage.accept=[near_text,base_model]")
    assert set(made.leaks.record()["base_model"]["sources"]) == {first.name, second.name}
    names = " and ".join(sorted((first.name, second.name)))
    assert (
        f"model: the best models of {names} have the same weights: it is taken to have seen the pages of all"
        in made.warnings
    )


def test_a_segmentation_model_is_checked_like_a_base_model(words: list[str], long_pages: Path, tmp_path: Path) -> None:
    segmenter = tmp_path / "layout.mlmodel"
    segmenter.write_bytes(segmentation_weights(BLLA, accuracy=0.9))
    listed = table(tmp_path / "trained.tsv", ["image", "image_sha256"], ["x.png", sha256_file(long_pages / "f3.png")])
    alone = [word for word in words if not word.startswith("split")]
    asked = [
        "segmentation_model=file",
        f"segmentation_model.path={segmenter}",
        f"segmentation_model.trained_on={listed}",
    ]
    said = problems_of(alone, *asked, evaluate=True)
    assert "segmentation_model: f3.xml (test) and x.png (train of the segmentation model, trained.tsv:2)" in said[0]
    made = planned_run(alone, *asked, "leakage.accept=[segmentation_model]", evaluate=True)
    assert made.leaks.record()["segmentation_model"]["trained_on"] == "known"
    assert made.leaks.record()["base_model"]["trained_on"] == "unknown"


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
