"""The tables of experiments: runs that differ in their seed alone are one row, and two kinds of spread are kept apart."""

from __future__ import annotations

import csv
import io
import json
import statistics
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from benchmarks.forecast_coverage import looked_back
from htr_exp.core.files import read_json, write_json
from htr_exp.core.run_state import RunState
from htr_exp.runs import compare_csv, compare_table
from htr_exp.runs.experiments import ONE_SEED, OTHER_TESTS, ConditionRecord, Experiment, condition_records, experiments
from htr_exp.runs.rows import compared_rows
from htr_exp.runs.run_dir import RunDir
from htr_exp.scoring.forecast import of_curve
from htr_exp.scoring.intervals import Count, of_rate


def figures(*errors: int) -> dict[str, Any]:
    """Of pages of a hundred characters."""
    pages = [{"page": f"p{number}", "errors": one, "characters": 100} for number, one in enumerate(errors)]
    interval = of_rate([Count(one, 100) for one in errors])
    assert interval is not None
    return {
        "cer": sum(errors) / len(errors) / 100, "cer_low": interval.low, "cer_high": interval.high, "wer": 0.5,
        "lines": 9, "pages": len(errors), "units": len(errors), "per_page": pages, "errors": sum(errors),
        "insertions": 1, "deletions": 2, "substitutions": sum(errors) - 3,
    }  # fmt: skip


class Maker:
    """Writes the runs of a question."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, list[RunDir]()

    def __call__(
        self, name: str, best: tuple[int, ...] | None, *, seed: int = 1, sealed: bool = False, **more: Any
    ) -> None:
        """A run; without figures of its best model one that failed."""
        run = RunDir(self.folder / name)
        run.live.mkdir(parents=True)
        settings = {
            "question": more.pop("question", "asked"), "seed": seed, "split": {"train_pages": more.pop("train_pages", None)},
            "model": {"name": None, "path": more.pop("path", None)}, "training": more.pop("training", {}),
            "architecture": {"name": more.pop("network", None)},
        }  # fmt: skip
        run.seal({"experiment.yaml": yaml.safe_dump(settings)})
        facts = {
            "run": {"key": name, "task": "recognition", "verb": more.pop("verb", "train")},
            "dataset": {"name": more.pop("dataset", "hours"), "digest": "d"},
            "split": {"test_digest": more.pop("test", "t" * 64), "fold": more.pop("fold", None), "sealed": sealed},
            "software": {"kraken": "7.1.1"}, "model": {"name": model} if (model := more.pop("model", "tridis")) else None,
        }  # fmt: skip
        write_json(run.provenance, facts)
        if best:
            side = {"base": figures(*(40 for _ in best)), "best": figures(*best)}
            side = {"model": figures(*best)} if facts["run"]["verb"] == "evaluate" else side
            write_json(run.results, {"test": {} if sealed else side, "validation": side})
        run.seal({})
        if best:
            run.seal_results()
        run.write_state(RunState.DONE if best else RunState.FAILED, reason=None if best else "no disk")
        self.runs.append(run)

    def found(self) -> Experiment:
        (one,) = experiments(compared_rows(self.runs)[0])
        return one

    def records(self) -> list[ConditionRecord]:
        found = condition_records(compared_rows(self.runs)[0])
        return [found[str(run.path)] for run in self.runs if str(run.path) in found]

    def said(self) -> str:
        out = Console(width=200, record=True, file=io.StringIO())
        compare_table.show_table(out, *compared_rows(self.runs)[:2])
        return out.export_text()


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def test_replicates_have_a_mean_a_spread_over_seeds_and_an_interval_over_pages(make: Maker) -> None:
    each = [(10, 20, 30), (12, 22, 32), (14, 24, 34)]
    for seed, errors in enumerate(each):
        make(f"run{seed}", errors, seed=seed)
    make("run9", None, seed=9)
    found = make.found()
    one = found.conditions[0].only
    assert len(found.conditions) == 1
    assert (one.runs, one.scored, found.side) == (4, 3, "test")
    assert one.mean == pytest.approx(0.22)
    assert one.spread == pytest.approx(statistics.stdev([0.20, 0.22, 0.24]))
    assert one.interval == of_rate([Count(36, 300), Count(66, 300), Count(96, 300)])
    assert one.zero_shot == pytest.approx(0.4)
    said = make.said()
    assert "3 of 4" in said
    assert "1 of 4 runs has no scores: run9 (failed)" in said
    assert "They are two sources of variance" in said


def test_a_learning_curve_begins_with_the_base_model(make: Maker) -> None:
    for pages in (16, None, 1, 2):
        for seed in (1, 2):
            make(f"run-{pages}-{seed}", (20 - (pages or 16), 20), seed=seed, train_pages=pages)
    found = make.found()
    assert found.curve
    assert [one.name for one in found.conditions] == [
        "zero-shot", "train_pages=1", "train_pages=2", "train_pages=16", "train_pages=null",
    ]  # fmt: skip
    assert found.conditions[0].only.zero_shot == pytest.approx(0.4)
    lines = [line for line in make.said().splitlines() if line.startswith("zero-shot")]
    assert "40.00 %" in lines[0]
    assert ONE_SEED not in found.sentences


def test_rows_of_one_seed_each_say_that_other_seeds_are_not_known(make: Maker) -> None:
    for pages in (1, 2):
        make(f"run-{pages}", (20, 20), train_pages=pages)
    assert ONE_SEED in make.found().sentences
    make("again", (21, 20), train_pages=2, seed=2)
    assert ONE_SEED not in make.found().sentences


def test_a_single_row_is_compared_with_no_other(make: Maker) -> None:
    make("a", (20, 20), seed=1)
    make("b", None, seed=2)
    assert ONE_SEED not in make.found().sentences


@pytest.mark.parametrize(
    ("last", "verdict"), [(13, "clearly better than 13.00 %"), (26, "not clearly better than 26.00 %")]
)
def test_a_learning_curve_has_a_forecast_and_says_whether_more_pages_are_worth_it(
    make: Maker, last: int, verdict: str
) -> None:
    for pages, errors in ((1, 52), (2, 27), (4, last)):
        make(f"run-{pages}", (errors, errors), train_pages=pages)
    make("all", (50, 50))  # of how many pages, its settings do not say
    rates = {1: 0.52, 2: 0.27, 4: last / 100}
    found = make.found()
    assert list(found.forecast) == of_curve(rates)
    words = " ".join(make.said().split())
    assert "forecast (80 % intervals, on the same test pages): twice the pages (8) " in words
    assert f"). That is {verdict} with 4 pages" in words
    records = [one["forecast"] for one in make.records()]
    assert len(records) == len(make.runs)
    record = records[0]
    assert [one["pages"] for one in record["points"]] == [8, 16]
    assert record["level"] == 0.8
    assert record["said"] == found.sentences[-1]


def test_a_learning_curve_of_two_sizes_says_that_it_has_no_forecast(make: Maker) -> None:
    for pages, errors in ((1, 52), (2, 27)):
        make(f"run-{pages}", (errors, errors), train_pages=pages)
    make("run-4", None, train_pages=4)
    found = make.found()
    assert found.forecast == ()
    assert found.sentences[-1] == (
        "no forecast with more pages: 2 numbers of pages have scores, and a forecast needs 3"
    )


def test_runs_of_one_recipe_say_how_often_a_difference_is_called_where_there_is_none(make: Maker) -> None:
    for seed, errors in enumerate(((10, 11, 12), (11, 10, 12), (30, 31, 33))):
        make(f"run{seed}", errors, seed=seed)
    said = make.found().sentences[-1]
    assert said.startswith(
        "2 of 3 pairs of runs that differ in their seed alone are told apart by these pages (66.67 %;"
    )
    assert said.endswith("so compare means over seeds")
    make("other", (10, 11, 12), seed=1, train_pages=4)
    assert not any("seed alone" in one for one in make.found().sentences)


def test_base_models_stand_side_by_side_and_by_validation_as_long_as_the_test_is_sealed(make: Maker) -> None:
    make("a", (10, 20), model="tridis", sealed=True)
    make("b", (10, 10), model="catmus", sealed=True)
    found = make.found()
    assert [(one.name, one.only.zero_shot, one.only.mean) for one in found.conditions] == [
        ("model=catmus", pytest.approx(0.4), pytest.approx(0.1)),
        ("model=tridis", pytest.approx(0.4), pytest.approx(0.15)),
    ]
    assert found.side == "validation"
    assert "these are validation scores: choose by them, and do not report them" in make.said()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"sealed": True}, "its test is sealed"),
        ({"test": None}, "it has no test pages"),
        ({}, "no number in its results.json"),
    ],
)
def test_the_run_for_which_all_figures_are_of_validation_is_named(make: Maker, more: dict[str, Any], why: str) -> None:
    make("a", (10, 20), seed=1)
    make("b", (10, 10), seed=2, **more)
    results = read_json(make.runs[1].results)
    side = {} if more else {"best": figures(10, 10) | {"cer": None}}
    make.runs[1].results.write_text(json.dumps(results | {"test": side}))
    make.runs[1].seal_results()
    found = make.found()
    assert (found.side, found.conditions[0].only.mean) == ("validation", pytest.approx(0.125))
    assert f"1 of 2 runs has no test score, so that all figures are of the validation pages: b ({why})" in (
        found.sentences
    )


def test_a_finished_run_whose_score_is_no_number_says_so(make: Maker) -> None:
    for seed in (1, 2, 3):
        make(f"run{seed}", (10, 20), seed=seed)
    for run, text in zip(make.runs, ('{"test": {"best": {"cer": NaN}}}', "{}")):
        run.results.write_text(text)
        run.seal_results()
    why = "(no number in its results.json)"
    assert f"2 of 3 runs have no scores: run1 {why}, run2 {why}" in make.found().sentences


def test_evaluations_of_one_model_on_one_test_are_no_learning_curve_and_have_no_seeds(make: Maker) -> None:
    for pages in (1, 2, 4):
        make(f"e{pages}", (10 + pages, 20), verb="evaluate", train_pages=pages)
    found = make.found()
    assert (found.curve, found.forecast, found.has_seeds) == (False, (), False)
    assert found.sentences == ("3 evaluations of one model on one test are one cell, their mean: e1, e2, e4",)


def test_folds_have_a_mean_and_all_their_pages_together(make: Maker) -> None:
    make("a", (10, 20), fold="one", test="1" * 64)
    make("b", (30, 40), fold="two", test="2" * 64)
    (said,) = make.found().sentences
    assert said.startswith(
        "mean of 2 folds 25.00 %, standard deviation 14.14 % from fold to fold; of all their pages together"
    )


def test_runs_that_no_question_or_sweep_holds_together_have_no_table(make: Maker) -> None:
    make("a", (10, 20), seed=1, question="default")
    make("b", (10, 20), seed=2, question="default")
    assert list(experiments(compared_rows(make.runs)[0])) == []


def test_programs_get_the_table_that_people_see(make: Maker) -> None:
    for number, pages in enumerate((4, 4, 8, 8)):
        make(f"run{number}", (10 + number, 20, 30), seed=number, train_pages=pages)
    make("run9", None, seed=9, train_pages=8)
    base, four, eight = make.found().measured
    first, _, third, _, failed = make.records()
    assert four.interval
    assert eight.interval
    assert base.interval
    assert (first["question"], first["name"], first["test"], first["side"]) == ("asked", "train_pages=4", "", "test")
    assert (first["runs"], first["scored"], third["runs"], third["scored"]) == (2, 2, 3, 2)
    assert (first["mean"], first["sd"]) == (four.mean, four.spread)
    assert (third["low"], third["high"]) == (eight.interval.low, eight.interval.high)
    zero_shot = (first["zero_shot"], first["zero_shot_low"], first["zero_shot_high"])
    assert zero_shot == (base.mean, base.interval.low, base.interval.high)
    assert failed == third
    assert third["notes"][0] == "1 of 5 runs has no scores: run9 (failed)"


def test_a_spreadsheet_has_the_table_beside_each_run(make: Maker) -> None:
    for seed in (1, 2):
        make(f"run{seed}", (10 * seed, 20), seed=seed)
    rows, varied, _ = compared_rows(make.runs)
    conditions = condition_records(rows)
    file = io.StringIO()
    compare_csv.write_csv(file, [{**row, "condition": conditions[row["folder"]]} for row in rows], varied)
    for line in csv.DictReader(io.StringIO(file.getvalue())):
        assert line["condition_name"] == "all runs"
        assert line["condition_mean"] == str(conditions[line["folder"]]["mean"])
        assert "condition" not in line
    file = io.StringIO()
    compare_csv.write_csv(file, [{**row, "condition": None} for row in rows], varied)
    assert "condition" not in file.getvalue()


def test_a_table_over_different_test_pages_says_so_but_for_folds(make: Maker) -> None:
    for seed in (1, 2):
        make(f"run{seed}", (10, 20), seed=seed, test=str(seed) * 64)
    assert OTHER_TESTS in make.found().sentences
    for run in make.runs:
        facts = run.facts()
        write_json(run.provenance, {**facts, "split": {**facts["split"], "fold": run.name[-1]}})
    assert OTHER_TESTS not in make.found().sentences


@pytest.mark.parametrize("word", ["NaN", "Infinity", "1e999"])
def test_a_figure_that_is_no_number_is_none(make: Maker, word: str) -> None:
    for seed in (1, 2, 3):
        make(f"run{seed}", (10, 20), seed=seed)
    damaged = make.runs[0]
    damaged.results.write_text(damaged.results.read_text().replace('"cer": 0.15,', f'"cer": {word},'))
    damaged.seal_results()
    (one,) = make.found().measured
    assert (one.runs, one.mean) == (3, pytest.approx(0.15))
    row = next(row for row in compared_rows(make.runs)[0] if row["run"] == "run1")
    assert (row["val"], row["test"]) == (None, None)
    assert {"nan", "inf"}.isdisjoint(make.said().split())


def test_recorded_curves_are_looked_back_on_beside_other_files_of_their_workspace(make: Maker, tmp_path: Path) -> None:
    for pages, errors in ((1, 40), (2, 30), (4, 22), (8, 17)):
        make(f"run{pages}", (errors, errors), train_pages=pages)
    (tmp_path / "scorings.jsonl").touch()
    *curve, sum_up = looked_back([str(run.path) for run in make.runs] + [str(tmp_path / "scorings.jsonl")])
    assert len(curve) == 1
    assert "up to 4 pages: 8 pages 0.1" in curve[0]
    assert sum_up == "1 of 1 intervals held what came"


def test_models_on_several_tests_are_a_matrix_told_apart_within_each_column(make: Maker) -> None:
    for model, hours, letters in (("old", (40, 42, 41), (5, 6, 5)), ("new", (4, 6, 5), (5, 5, 6))):
        for test, errors in (("hours", hours), ("letters", letters)):
            make(f"{model}-{test}", errors, verb="evaluate", model=model, dataset=test, test=test[0] * 64)
    found = make.found()
    assert found.tests == ("hours", "letters")
    assert OTHER_TESTS not in found.sentences
    assert {(one["name"], one["test"]) for one in make.records()} == {
        (model, test) for model in ("model=new", "model=old") for test in ("hours", "letters")
    }
    assert [(one.name, [cell and cell.mean for cell in one.on]) for one in found.conditions] == [
        ("model=new", [pytest.approx(0.05), pytest.approx(16 / 300)]),
        ("model=old", [pytest.approx(0.41), pytest.approx(16 / 300)]),
    ]
    assert [[cell and cell.group for cell in one.on] for one in found.conditions] == [[1, 1], [2, 1]]
    assert all(cell.interval is not None for cell in found.measured)
    said = make.said()
    assert "each test has groups of its own" in said
    assert "corrected for 2 runs by Holm" in said
    assert "corrected for 4 runs" not in said
    rows = [line.split() for line in said.splitlines() if line.startswith(found.tests)]
    assert [row[:2] for row in rows] == [[test, model] for test in found.tests for model in ("new", "old")]
    assert rows[1][2] == "41.00"
    assert "1/2/120" in rows[1]


def test_a_matrix_has_an_empty_cell_where_nothing_was_scored_and_keeps_models_apart(make: Maker) -> None:
    make("a", (10, 20), verb="evaluate", model="best", path="runs/a/best.mlmodel", test="1" * 64)
    make("b", (30, 40), verb="evaluate", model="best", path="runs/b/best.mlmodel", test="1" * 64)
    make("c", (50, 60), verb="evaluate", model="best", path="runs/b/best.mlmodel", test="2" * 64)
    found = make.found()
    assert found.tests == ("hours (11111111)", "hours (22222222)")
    assert [(one.name, one.on[1] is None) for one in found.conditions] == [
        ("model=runs/a/best.mlmodel", True), ("model=runs/b/best.mlmodel", False),
    ]  # fmt: skip


def test_networks_from_scratch_are_conditions_of_their_own(make: Maker) -> None:
    for network in ("small", "guide"):
        make(network, (10, 20), model=None, network=network, question="architectures")
    assert [one.name for one in make.found().conditions] == ["architecture=guide", "architecture=small"]


def test_a_ladder_of_recipes_has_a_table_with_one_seed_each(make: Maker) -> None:
    for model in ("tridis", "catmus"):
        for resize in ("new", "union"):
            make(f"{model}{resize}", (10, 20), model=model, training={"resize": resize}, question="strategies")
    names = [one.name for one in make.found().conditions]
    assert names[0] == "model=catmus resize=new"
    assert len(names) == 4
    make.runs = make.runs[:2]  # of one model: the name of the question alone makes it a table
    assert [one.name for one in make.found().conditions] == ["resize=new", "resize=union"]
