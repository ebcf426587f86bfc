"""Which run validation chooses, and when the test of its question is not opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.recorded_runs import make_run, sealed
from htr_exp.core.errors import ConfigError
from htr_exp.core.files import read_json, write_json
from htr_exp.runs import openings, scorings
from htr_exp.runs.choice_by_validation import choose, instead_of_best_test
from htr_exp.runs.records import Opening
from htr_exp.runs.rows import rows_of
from htr_exp.runs.run_dir import RunDir

SCORE = {"cer_raw": 0.2, "wer": 0.5, "errors": 20, "characters": 100, "lines": 25, "pages": 1}


def made(
    workspace: Path, name: str, val: float | None, test: float | None = None, *, state: str = "done", **facts: Any
) -> RunDir:
    """A training with a validation score, and a test that is sealed unless it has a score."""
    folder = make_run(workspace, f"{name}-0000000a", question=facts.pop("question", "rates"), state=state)
    written = read_json(folder / "provenance.json")
    written["split"] |= {"test_digest": "t" * 64, "sealed": test is None} | facts
    write_json(folder / "provenance.json", written)
    if val is not None:
        scores = {
            side: {"base": None, "best": None if value is None else {**SCORE, "cer": value}}
            for side, value in (("test", test), ("validation", val))
        }
        results = {
            "best_epoch": 3,
            "epochs": 3,
            "ended_by": "early",
            "weights": {"best": name},
            "val_source": "rescored",
        }
        write_json(folder / "results.json", {**scores, **results})
        (folder / "best.mlmodel").write_bytes(b"weights")
        (folder / "predictions/test.jsonl").unlink(missing_ok=True)
    return RunDir(sealed(folder))


def test_the_best_validation_score_chooses_among_all_trials_of_the_question(tmp_path: Path) -> None:
    runs = [made(tmp_path, "a", 0.3), made(tmp_path, "b", 0.2), made(tmp_path, "c", None, state="failed")]
    other = made(tmp_path, "d", 0.1, question="another")
    (chosen,) = choose(runs, [*runs, other], again=False)
    assert chosen.run == runs[1]
    assert chosen.opening is not None
    assert (chosen.opening["trials"], chosen.opening["place"], chosen.opening["before"]) == (3, 1, 0)
    assert openings.in_words(chosen.opening) == "chosen among 3 runs by validation"
    assert {one.run for one in choose([*runs, other], [*runs, other], again=False)} == {runs[1], other}
    # somebody names another one
    (named,) = choose(runs[:1], runs, again=False)
    assert named.opening is not None
    assert openings.in_words(named.opening) == "number 2 of 3 runs by validation, not the one that it chose"


def test_the_test_of_a_question_is_opened_for_a_second_run_only_with_a_word(tmp_path: Path) -> None:
    runs = [made(tmp_path, "a", 0.3), made(tmp_path, "b", 0.2)]
    opening: Opening = {"by": "eve", "time": "now", "question": "rates", "trials": 3, "place": 1, "before": 0}
    scorings.record(
        tmp_path / "runs",
        {
            "run": "gone", "uuid": "gone", "task": "recognition", "test_digest": "t" * 64, "weights": "w", "opening": opening,
        },
        [], [],
    )  # fmt: skip
    with pytest.raises(ConfigError) as refused:
        choose(runs, runs, again=False)
    assert "the test of this question was opened for gone already" in str(refused.value.problems[0])
    (chosen,) = choose(runs, runs, again=True)
    assert chosen.opening is not None
    assert chosen.opening["before"] == 1
    assert rows_of(runs)[0]["test_opened"] == 1
    other = made(tmp_path, "c", 0.2, question="another")
    assert choose([other], [*runs, other], again=False)[0].opening is not None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"val": None, "state": "queued"}, "not ended yet"),
        ({"val": 0.1, "changed": True}, "changed since it was written: results.json"),
        ({"val": None, "state": "failed", "alone": True}, "no run has a validation score"),
        ({"val": 0.1, "test": 0.1, "alone": True}, "no test is sealed there"),
    ],
)
def test_what_is_in_the_way_of_an_opening_is_said(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    alone, changed = other.pop("alone", False), other.pop("changed", False)
    runs = [made(tmp_path, "a", 0.3)] * (not alone) + [made(tmp_path, "b", **other)]
    if changed:
        runs[-1].results.write_text(runs[-1].results.read_text() + " ")
    with pytest.raises(ConfigError) as refused:
        choose(runs, runs, again=False)
    assert said in str(refused.value.problems[0])
    assert not any(run.opening.exists() for run in runs)


def test_beside_the_best_test_stands_what_validation_chooses(tmp_path: Path) -> None:
    runs = [made(tmp_path, "a", 0.30, 0.10), made(tmp_path, "b", 0.20, 0.15)]
    (said,) = instead_of_best_test(rows_of(runs))
    assert "best test CER of 2 runs is 10.00 % (a-0000000a)" in said
    assert "that validation chooses it is 15.00 % (b-0000000a): report this one" in said
    assert list(instead_of_best_test(rows_of(runs[:1]))) == []
