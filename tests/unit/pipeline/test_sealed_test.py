"""A run whose test is sealed, and its opening, as a job does them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from helpers.whole_runs import Quiet, do
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.core.run_state import RunState
from htr_exp.core.signals import Stop
from htr_exp.pipeline.run import run_stages
from htr_exp.runs import openings, test_sets
from htr_exp.runs.choice_by_validation import choose
from htr_exp.runs.rows import row_of
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.scorings import ledger_of


def test_a_sealed_test_is_neither_predicted_nor_scored_until_it_is_opened(
    planned: Callable[..., RunDir], workspace: Path
) -> None:
    run = planned("scores.test=final", "question=which_rate", "training.epochs=2")
    assert do(run).state is RunState.DONE
    results = read_json(run.results)
    assert results["test"] == {"base": None, "best": None}
    assert results["validation"]["base"] is not None
    assert "test_scored" not in results
    assert run.predicted() == {"predictions/validation.jsonl"}
    assert not ledger_of(run.path.parent).exists()
    assert b"The test is sealed" in run.report.read_bytes()
    row = row_of(run)
    assert (row["test"], row["test_sealed"], row["val"]) == (None, True, results["validation"]["best"]["cer"])
    assert "test RUNS` opens it for the run that validation chooses" in test_sets.briefly([row])[0]

    (chosen,) = choose([run], [run], again=False)
    assert chosen.opening is not None
    openings.open_test(run, chosen.opening)
    assert run.state().state is RunState.INTERRUPTED
    assert row_of(run)["val"] == row["val"]  # what is known stays known
    seen, epochs, model = Quiet(), run.epochs(), run.best.read_bytes()
    assert run_stages(run, stop=Stop(), observer=seen).state is RunState.DONE
    assert seen.stages == ["verify", "predict", "score", "report"]
    assert (run.epochs(), run.best.read_bytes()) == (epochs, model)
    opened = read_json(run.results)
    assert opened["test"]["best"]["lines"] == 3
    assert {key: opened[key] for key in ("validation", "best_epoch", "epochs", "ended_by")} == {
        key: results[key] for key in ("validation", "best_epoch", "epochs", "ended_by")
    }
    (line,) = read_jsonl(ledger_of(run.path.parent))
    assert line["opening"] == opened["test_scored"]["opening"] == chosen.opening
    assert run.broken_seals(every_digest=True) == []
    assert b"chosen among 1 run by validation" in run.report.read_bytes()
    assert "scored once, opened once; " in test_sets.briefly([row_of(run)])[0]
    assert "scored" in read_json(run.opening)
    assert choose([run], [run], again=False)[0].opening is None  # it is open
