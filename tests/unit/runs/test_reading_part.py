"""The part of reading of CERs side by side: in tables for people and programs, and never mixed with what was not divided."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from htr_exp.core.files import write_json
from htr_exp.core.run_state import RunState
from htr_exp.runs import compare_csv, compare_table, reading_part
from htr_exp.runs.experiments import condition_records, experiments
from htr_exp.runs.rows import compared_rows
from htr_exp.runs.run_dir import RunDir


def figures(cer: float, reading: Any, pages: int) -> dict[str, Any]:
    found = {"cer": cer, "wer": 0.5, "errors": 1, "characters": 100, "lines": 5, "pages": pages}
    parts = {"cer_reading": reading, "cer_reading_low": reading / 2, "cer_reading_high": reading * 2} if reading else {}
    return found | parts


class Maker:
    """Writes evaluations and trainings whose CER is divided, or not."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, list[RunDir]()

    def __call__(
        self,
        name: str,
        reading: Any = 0.03,
        *,
        base: Any = None,
        model: str = "tridis",
        verb: str = "evaluate",
        share: float | None = 0.4,
        pages: int = 5,
        seed: int = 1,
    ) -> None:
        run = RunDir(self.folder / name)
        run.live.mkdir(parents=True)
        limits = {"convention_share": share, "convention_pages": 2}
        run.seal({"experiment.yaml": yaml.safe_dump({"question": "asked", "seed": seed, "scores": limits})})
        write_json(run.provenance, {
            "run": {"key": name, "task": "recognition", "verb": verb}, "dataset": {"name": "hours", "digest": "d"},
            "split": {"test_digest": "t" * 64}, "software": {"kraken": "7.1.1"}, "model": {"name": model},
        })  # fmt: skip
        shown = figures(0.1, reading, pages)
        test = {"model": shown} if verb == "evaluate" else {"base": figures(0.2, base, pages), "best": shown}
        write_json(run.results, {"test": test})
        run.seal({})
        run.seal_results()
        run.write_state(RunState.DONE)
        self.runs.append(run)

    def said(self, width: int = 250) -> str:
        out = Console(width=width, record=True, file=io.StringIO())
        compare_table.show_table(out, *compared_rows(self.runs)[:2])
        return out.export_text()

    def sentences(self) -> list[str]:
        return list(reading_part.sentences(compared_rows(self.runs)[0]))


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def test_zero_shot_scores_stand_beside_their_part_of_reading(make: Maker) -> None:
    make("a", 0.03)
    make("b", 0.01, model="catmus")
    said = make.said()
    cells = {line.split()[0]: " ".join(line.split()) for line in said.splitlines() if line[:2] in ("a ", "b ")}
    assert "10.00 % 3.00 % 1.50 to 6.00 % 50.00 %" in cells["a"]
    assert "10.00 % 1.00 % 0.50 to 2.00 % 50.00 %" in cells["b"]
    assert make.sentences() == [reading_part.SAID]
    assert reading_part.SAID in said


def test_a_training_has_the_part_of_its_base_model_too(make: Maker) -> None:
    make("a", 0.03, base=0.07, verb="train")
    said = make.said()
    (cells,) = [" ".join(line.split()) for line in said.splitlines() if line.startswith("a ")]
    assert "20.00 % 7.00 % 10.00 % 3.00 %" in cells
    assert reading_part.BASE_HEADING in said


def test_a_run_that_did_not_divide_its_cer_has_an_empty_cell_and_is_named(make: Maker) -> None:
    make("a", 0.03)
    make("b", None, model="catmus", share=None)
    (cells,) = [" ".join(line.split()) for line in make.said().splitlines() if line.startswith("b ")]
    assert cells.endswith("10.00 % 50.00 %")
    assert make.sentences()[1:] == [
        "1 of 2 runs did not divide the CER, so that its part of reading is empty and no 0: b; scores.convention_share=0.4 divides it"
    ]


def test_without_the_part_of_reading_nothing_is_said_of_it(make: Maker) -> None:
    make("a", None, share=None)
    assert "reading" not in make.said()
    assert make.sentences() == []


def test_parts_by_other_limits_are_not_to_be_compared(make: Maker) -> None:
    make("a", 0.03)
    make("b", 0.01, model="catmus", share=0.9)
    (said,) = make.sentences()[1:]
    assert said.startswith("these runs differ in scores.convention_share or scores.convention_pages")


@pytest.mark.parametrize(("pages", "told"), [(1, True), (2, True), (3, False)])
def test_too_few_pages_to_learn_a_convention_are_said(make: Maker, pages: int, told: bool) -> None:
    make("a", 0.1, pages=pages)
    assert any("all of the CER is called reading: a" in one for one in make.sentences()) is told


@pytest.mark.parametrize("odd", ['"much"', "true", "[3]", "1e999", "NaN"])
def test_a_part_that_is_no_number_is_none(make: Maker, odd: str) -> None:
    make("a", 0.03)
    text = make.runs[0].results.read_text().replace('"cer_reading": 0.03', f'"cer_reading": {odd}')
    make.runs[0].results.write_text(text)
    make.runs[0].seal_results()
    assert compared_rows(make.runs)[0][0]["test_cer_reading"] is None
    assert make.sentences() == []


def test_programs_and_spreadsheets_have_it_of_runs_and_of_their_condition(make: Maker) -> None:
    make("a", 0.03)
    make("b", None, model="catmus", share=None)
    rows, varied, _ = compared_rows(make.runs)
    by_run = {row["run"]: row for row in rows}
    assert (by_run["a"]["test_cer_reading"], by_run["a"]["test_cer_reading_high"]) == (0.03, 0.06)
    assert by_run["b"]["test_cer_reading"] is None
    conditions = condition_records(rows)
    file = io.StringIO()
    compare_csv.write_csv(file, [{**row, "condition": conditions[row["folder"]]} for row in rows], varied)
    lines = {line["run"]: line for line in csv.DictReader(io.StringIO(file.getvalue()))}
    assert (lines["a"]["test_cer_reading"], lines["a"]["condition_reading"]) == ("0.03", "0.03")
    assert (lines["a"]["condition_reading_low"], lines["a"]["condition_reading_high"]) == ("0.015", "0.06")
    assert (lines["b"]["test_cer_reading"], lines["b"]["condition_reading"]) == ("", "")


def test_the_mean_of_seeds_has_a_part_only_where_all_of_them_have_one(make: Maker) -> None:
    for seed, reading in ((1, 0.02), (2, 0.04)):
        make(f"a{seed}", reading, base=0.08, verb="train", seed=seed)
    (found,) = experiments(compared_rows(make.runs)[0])
    one = found.conditions[0].only
    assert (one.reading, one.reading_interval) == (pytest.approx(0.03), None)
    assert one.zero_shot_reading == pytest.approx(0.08)
    make("a3", None, verb="train", seed=3)
    (found,) = experiments(compared_rows(make.runs)[0])
    one = found.conditions[0].only
    assert (one.reading, one.zero_shot_reading) == (None, None)
    assert any("a3; scores.convention_share=0.4" in said for said in found.sentences)


def test_narrow_terminals_keep_the_part_of_reading(make: Maker) -> None:
    make("a", 0.03)
    make("b", 0.01, model="catmus")
    assert "1.00 %" in make.said(40)
