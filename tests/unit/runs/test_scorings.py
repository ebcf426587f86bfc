"""How often test pages were scored, and which of them a run leaves out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.whole_runs import do
from htr_exp.core.files import read_json
from htr_exp.runs import scorings, sealed_records, test_sets
from htr_exp.runs.records import PageRecord
from htr_exp.runs.records import TestScored as HowOften
from htr_exp.runs.rows import row_of
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.scorings import LeftOut, Scorings, ledger_of


def pages(*names: str) -> list[PageRecord]:
    return [{"page": f"{name}.xml", "image_digest": name * 64} for name in names]


def scored(
    runs: Path, run: str, *of: str, weights: str = "w", task: str = "recognition", beside: str = "", digest: str = ""
) -> dict[str, Any]:
    """Record that a run was scored on some pages."""
    line: scorings.Scoring = {
        "run": run,
        "uuid": run,
        "task": task,
        "test_digest": digest or "".join(of),
        "weights": weights,
    }
    return dict(scorings.record(runs, line, pages(*of), pages(*beside)))


def counted(times: int, runs: int, in_part: int, *, incomplete: bool = False) -> HowOften:
    return {"times": times, "runs": runs, "in_part": in_part, "incomplete": incomplete}


def test_each_model_of_each_run_counts_once(tmp_path: Path) -> None:
    assert scored(tmp_path, "a", "1") == counted(1, 1, 0)
    assert scored(tmp_path, "a", "1") == counted(1, 1, 0)
    assert scored(tmp_path, "a", "1", weights="v") == counted(2, 1, 0)
    assert scored(tmp_path, "b", "1") == counted(3, 2, 0)
    assert len(ledger_of(tmp_path).read_text().splitlines()) == 3


def test_other_test_sets_with_a_page_in_common_are_counted_apart(tmp_path: Path) -> None:
    for run, of in (("a", "12"), ("b", "23"), ("c", "4"), ("d", "23")):
        scored(tmp_path, run, *of)
    found = Scorings.of_runs(tmp_path)
    assert found.of("recognition", "12") == counted(1, 1, 2)
    assert found.of("recognition", "23") == counted(2, 2, 1)
    assert found.of("recognition", "4") == counted(1, 1, 0)
    assert scored(tmp_path, "e", "4", digest="corrected") == counted(1, 1, 1)
    assert scored(tmp_path, "f", "12", task="segmentation")["in_part"] == 0


@pytest.mark.parametrize(
    ("first", "beside", "now", "used", "expected"),
    [
        ("12", "34", "1234", "234", ["1"]),  # there, and not used
        ("12", "34", "234", "234", ["1"]),  # gone
        ("1", "34", "34", "34", ["1"]),  # gone with the whole test set
        ("12", "34", "1234", "1234", []),
        ("12", "34", "567", "567", []),  # other ground truth
    ],
)
def test_pages_that_were_scored_and_are_left_out(
    first: str, beside: str, now: str, used: str, expected: list[str], tmp_path: Path
) -> None:
    scored(tmp_path, "a", *first, beside=beside)
    known = scorings.images_of(pages(*now))
    found = Scorings.of_runs(tmp_path).left_out("recognition", known, {name * 16 for name in used})
    assert found == [LeftOut(f"{name}.xml", "a") for name in expected]
    assert Scorings.of_runs(tmp_path).left_out("segmentation", known, set()) == []


def test_a_page_whose_image_was_saved_anew_is_not_left_out(tmp_path: Path) -> None:
    scored(tmp_path, "a", "1", "2")
    now = {"f" * 16: "1.xml", "2" * 16: "2.xml"}
    assert Scorings.of_runs(tmp_path).left_out("recognition", now, set(now)) == []


@pytest.mark.parametrize("line", ["[]", "3", '{"run": "a"}', "not JSON", ""])
def test_a_line_that_says_nothing_is_passed_over(line: str, tmp_path: Path) -> None:
    ledger_of(tmp_path).write_text(f"{line}\n")
    assert scored(tmp_path, "a", "1") == counted(1, 1, 0, incomplete=True)
    ledger_of(tmp_path).write_bytes(b"\xff")
    assert Scorings.of_runs(tmp_path).of("recognition", "1")["times"] == 0


def test_a_run_that_was_stopped_and_scored_counts_again_when_it_trained_on(
    planned: Callable[..., RunDir], scenario: Any
) -> None:
    scenario.play(epoch_seconds=0.4)
    run = planned("training.epochs=6", "training.leg_epochs=0")
    do(run, word="user")
    assert read_json(run.results)["test_scored"] == counted(1, 1, 0)
    scenario.play()
    assert do(run).state == "done"
    assert read_json(run.results)["test_scored"] == counted(2, 1, 0)
    row = row_of(run)
    assert (row["test_scored"], row["test_scored_runs"]) == (2, 1)
    ledger_of(run.path.parent).unlink()  # its seal is still there
    row = row_of(run)
    assert (row["test_scored"], row["test_scored_runs"], row["test_scored_incomplete"]) == (2, 1, True)
    assert "scored 2 times by 1 run, or more often: scorings.jsonl was changed by hand" in test_sets.briefly([row])[0]
    sealed_records.seal_of(ledger_of(run.path.parent)).unlink()
    row = row_of(run)  # the results know of two
    assert (row["test_scored"], row["test_scored_incomplete"]) == (2, False)


def test_what_results_tell_of_is_never_undone(tmp_path: Path) -> None:
    scored(tmp_path, "a", "1")
    found = Scorings.of_runs(tmp_path)
    found.tell("recognition", "1", {"times": 5, "runs": 3, "in_part": 0, "incomplete": False})
    found.tell("recognition", "1", {"times": 4, "runs": 4, "in_part": "many"})
    assert found.of("recognition", "1") == counted(5, 4, 0)
    assert found.of("segmentation", "1") == counted(0, 0, 0)


def test_a_shortened_file_of_scorings_is_said_of_every_test_set(tmp_path: Path) -> None:
    for run in "abc":
        scored(tmp_path, run, "1")
    ledger = ledger_of(tmp_path)
    ledger.write_text("".join(ledger.read_text().splitlines(keepends=True)[:-1]))
    assert Scorings.of_runs(tmp_path).of("recognition", "1") == counted(2, 2, 0, incomplete=True)
    assert scored(tmp_path, "d", "1") == counted(3, 3, 0, incomplete=True)


def test_words_for_people() -> None:
    assert scorings.said(counted(0, 0, 3)) == ""
    assert scorings.said(counted(1, 1, 0)) == "scored once"
    assert scorings.said(counted(1, 1, 0, incomplete=True)) == (
        "scored once, or more often: scorings.jsonl was changed by hand"
    )
    assert scorings.said(counted(3, 2, 1)) == (
        "scored 3 times by 2 runs, some of them once more with other pages or lines"
    )


def test_the_pages_of_a_test_set_are_written_once(tmp_path: Path) -> None:
    for run in "abc":
        scored(tmp_path, run, "1", "2", beside="345")
    lines = [json.loads(line) for line in ledger_of(tmp_path).read_text().splitlines()]
    assert ["pages" in line for line in lines] == [True, False, False]
    assert len(lines[0]["beside"]) == 3
