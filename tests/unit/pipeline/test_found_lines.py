"""A recogniser evaluated from end to end: what it reads in the lines that a segmenter finds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakes.scenario import BLLA, segmentation_weights
from helpers.right_to_left import LETTERS, write_texts
from helpers.whole_runs import do
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ConfigError
from htr_exp.core.files import read_json, read_jsonl, sha256_file
from htr_exp.pipeline.plan import make_plan
from htr_exp.pipeline.write import write_run as write
from htr_exp.runs import compare_table, rows
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import run_view

Evaluated = Callable[..., RunDir]


@pytest.fixture(params=["7.1.1", "4.3.13"])
def either(request: pytest.FixtureRequest, fake_kraken: Path, fake_kraken4: Path) -> Path:
    return fake_kraken if request.param == "7.1.1" else fake_kraken4


@pytest.fixture
def evaluated(workspace: Path, layout_pages: Path, base_model: Path, fake_kraken: Path) -> Evaluated:
    """Write the evaluation of the recogniser with a segmenter that finds so much of the lines."""

    def write_run(finds: float | None, ketos: Path = fake_kraken, *changes: str) -> RunDir:
        words = [f"dataset.path={layout_pages}", f"model.path={base_model}", f"runtime.ketos={ketos}", "tracking=none",
                 "training.device=cpu"]  # fmt: skip
        if finds is not None:
            segmenter = base_model.with_name(f"finds-{finds}.mlmodel")
            segmenter.write_bytes(segmentation_weights(BLLA, accuracy=finds))
            words.append(f"segmentation_model.path={segmenter}")
        made = make_plan(compose_experiment([*words, *changes]), evaluate=True)
        return write(made, command=["htr_exp", "evaluate"])[0]

    return write_run


def end_to_end(run: RunDir) -> dict[str, Any]:
    assert do(run).state == "done", run.state().reason
    found: dict[str, Any] = read_json(run.results)["end_to_end"]
    return found


def test_pages_are_read_in_true_and_in_found_lines(evaluated: Evaluated, scenario, either: Path) -> None:
    run = evaluated(0.6, either)
    found = end_to_end(run)
    true, lines = found["ground_truth_lines"], found["found_lines"]
    assert (true["pages"], lines["pages"], true["words"], lines["words"]) == (6, 6, 90, 90)
    assert 0 < true["page_cer"] < lines["page_cer"] <= 1
    assert true["page_wer"] <= lines["page_wer"]
    assert true["bag_wer"] <= lines["bag_wer"]
    assert (lines["lines"], lines["lines_found"], lines["lines_missed"]) == (30, 18, 12)
    assert lines["line_f1"] == pytest.approx(2 * 0.6 / 1.6)
    assert not any(key.startswith("region") for key in lines)
    assert read_json(run.results)["test"]["model"]["lines"] == 30
    assert len(scenario.calls("ocr")) == 2
    (both,) = scenario.calls("segment")
    assert both[both.index("segment") : both.index("segment") + 4] == [
        "segment", "-bl", "-i", str(run.path.parents[2] / "finds-0.6.mlmodel"),
    ]  # fmt: skip


def test_a_perfect_segmentation_costs_nothing(evaluated: Evaluated, scenario) -> None:
    found = end_to_end(evaluated(1.0))
    true, lines = found["ground_truth_lines"], found["found_lines"]
    assert [lines[key] for key in ("page_cer", "page_wer", "bag_wer")] == [true[key] for key in ("page_cer", "page_wer", "bag_wer")]  # fmt: skip
    assert lines["line_f1"] == 1.0


def test_a_worse_segmentation_costs_more(evaluated: Evaluated, scenario) -> None:
    rates = [end_to_end(evaluated(finds))["found_lines"]["page_cer"] for finds in (1.0, 0.6, 0.2, 0.0)]
    assert rates == sorted(rates)
    assert len(set(rates)) == 4
    assert rates[-1] == 1.0  # nothing is read where nothing is found
    models = [argv[argv.index("-m") - 1] for argv in scenario.calls("ocr")]
    assert len(models) == 5  # in the true lines it is read once for all


def test_without_a_segmenter_there_is_nothing_from_end_to_end(evaluated: Evaluated, scenario) -> None:
    run = evaluated(None)
    assert do(run).state == "done"
    assert "end_to_end" not in read_json(run.results)
    assert rows.row_of(run)["end_to_end"] is None


def test_the_segmenter_is_part_of_the_runs_identity_and_record(evaluated: Evaluated) -> None:
    better, worse, none = evaluated(0.8), evaluated(0.6), evaluated(None)
    assert len({run.key for run in (better, worse, none)}) == 3
    facts = read_json(better.provenance)["segmentation_model"]
    segmenter = Path(read_json(better.places)["segmentation_model"])
    assert (facts["name"], facts["sha256"]) == ("finds-0.8", sha256_file(segmenter))
    assert read_json(none.provenance)["segmentation_model"] is None


def test_a_segmenter_that_changed_or_is_gone_stops_the_run(evaluated: Evaluated, scenario) -> None:
    run = evaluated(0.6)
    segmenter = Path(read_json(run.places)["segmentation_model"])
    segmenter.write_bytes(segmenter.read_bytes() + b"\0")
    state = do(run)
    assert (state.state, state.stage) == ("failed", "verify")
    assert f"{segmenter}: the segmentation model was changed since the run was planned" in state.reason
    segmenter.unlink()
    assert f"{segmenter}: the segmentation model is gone" in do(run).reason
    assert not scenario.calls("ocr")


def test_a_page_that_was_not_read_stops_the_run_and_is_named(evaluated: Evaluated, scenario, either: Path) -> None:
    run = evaluated(0.6, either)
    scenario.play(segment_missing_page="f03.png")
    state = do(run)
    assert (state.state, state.stage) == ("failed", "predict")
    assert "kraken could not recognise f03.xml" in state.reason
    scenario.play()
    assert do(run).state == "done"
    assert len(scenario.calls("ocr")) == 3  # what was read in the true lines is kept


def test_people_see_both_side_by_side(evaluated: Evaluated, scenario) -> None:
    run = evaluated(0.6)
    found = end_to_end(run)
    out = Console(record=True, width=200, force_terminal=False)
    compare_table.show_result(out, rows.row_of(run))
    said = out.export_text()
    for line, key in (
        ("in the lines of the ground truth", "ground_truth_lines"),
        ("in the lines that were found", "found_lines"),
    ):
        (row,) = (one for one in said.splitlines() if one.startswith(line))
        assert row.split()[-6::2] == [f"{100 * found[key][rate]:.2f}" for rate in ("page_cer", "page_wer", "bag_wer")]


def test_mlflow_shows_both(evaluated: Evaluated, scenario) -> None:
    run = evaluated(0.6)
    found = end_to_end(run)
    view = run_view.read(run.path, run.path.parents[1])
    shown = {name: value for (name, _), (value, _) in view.metrics.items()}
    for key in ("ground_truth_lines", "found_lines"):
        for rate in ("page_cer", "page_wer", "bag_wer"):
            assert shown[f"{rate}_{key}"] == found[key][rate]
    assert shown["line_f1_found_lines"] == pytest.approx(0.75)
    assert view.tags["htr_exp.segmentation_model"] == "finds-0.6"
    counts = ("errors", "word_errors", "bag_errors", "characters", "words", "pages")
    assert not [f"{count}_found_lines" for count in counts if f"{count}_found_lines" in shown]


def test_what_was_read_is_in_the_run_folder(evaluated: Evaluated, scenario) -> None:
    run = evaluated(0.6)
    end_to_end(run)
    assert len(read_jsonl(run.predictions / "test.jsonl")) == 30


def test_its_commands_read_the_pages_in_found_lines_too(evaluated: Evaluated) -> None:
    text = (evaluated(0.6).path / "commands.sh").read_text()
    assert "segment -bl -i" in text


def test_pages_that_are_written_from_the_right_are_read_from_the_right(
    evaluated: Evaluated, layout_pages: Path, fake_kraken: Path, scenario
) -> None:
    from_left = evaluated(1.0)
    write_texts(layout_pages, lambda text: re.sub("[a-z]", lambda letter: LETTERS[ord(letter[0]) - ord("a")], text))
    run, forced = evaluated(1.0), evaluated(1.0, fake_kraken, "scores.text_direction=horizontal-lr")
    told = [one.configuration()["scores"]["text_direction"] for one in (from_left, run, forced)]
    assert told == ["horizontal-lr", "horizontal-rl", "horizontal-lr"]
    assert run.key != forced.key
    end_to_end(run)
    (both,) = scenario.calls("segment")
    assert both[both.index("segment") :][:3] == ["segment", "-d", "horizontal-rl"]
    assert "segment -d horizontal-rl" in run.commands.read_text()
    inert = "scores.text_direction=horizontal-rl changes nothing with no segmentation_model"
    with pytest.raises(ConfigError, match=inert):
        evaluated(None, fake_kraken, "scores.text_direction=horizontal-rl")
