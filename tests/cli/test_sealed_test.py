"""The sealed test: runs between which one is chosen are not scored on it, and one command opens it for the one that validation chose."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from helpers.one_training import User
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.core.run_state import RunState
from htr_exp.runs import openings
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.scorings import ledger_of

pytestmark = pytest.mark.seconds

FINAL = ("scores.test=final", "question=which_rate")


def sealed(user: User, *changes: str) -> RunDir:
    """Train a run whose test is sealed."""
    return user.trained(*FINAL, *changes)


def ledger(user: User) -> list[dict[str, Any]]:
    return read_jsonl(ledger_of(user.workspace / "runs"))


def validation(run: RunDir) -> float:
    return float(read_json(run.results)["validation"]["best"]["cer"])


def test_a_sealed_test_is_neither_predicted_nor_scored_until_it_is_opened_for_the_run_that_validation_chose(
    user: User,
) -> None:
    before = ledger(user)
    runs = [sealed(user), sealed(user, "seed=2", "training.epochs=4")]
    for run in runs:
        assert read_json(run.results)["test"] == {"base": None, "best": None}
        assert run.predicted() == {"predictions/validation.jsonl"}
        assert (user.row(run)["test"], user.row(run)["test_sealed"]) == (None, True)
        assert user.in_mlflow(run)["htr_exp.test_opened"] == "sealed"
        assert b"The test is sealed" in run.report.read_bytes()
    assert ledger(user) == before
    for shown in user.tables(*runs).values():
        assert "test RUNS` opens it for the run that validation chooses" in shown
    chosen, other = sorted(runs, key=validation)
    assert validation(chosen) < validation(other)
    epochs, weights = chosen.epochs(), chosen.best.read_bytes()

    said = user.call("test", *(run.name for run in runs))
    assert said.code == 0, said.out + said.err
    assert f"opens the test for {chosen.name}, chosen among 2 runs by validation" in said.out
    assert (chosen.state().state, chosen.epochs(), chosen.best.read_bytes()) == (RunState.DONE, epochs, weights)
    (line,) = ledger(user)[len(before) :]
    kept = read_json(chosen.results)["test_scored"]["opening"]
    assert line["opening"] == kept
    assert (line["run"], kept["question"], kept["trials"], kept["place"]) == (chosen.name, "which_rate", 2, 1)
    assert kept["by"]
    assert kept["time"]
    assert chosen.broken_seals(every_digest=True) == []
    assert read_json(chosen.results)["test"]["best"]["cer"] == user.row(chosen)["test"]
    assert user.in_mlflow(chosen)["htr_exp.test_opened"] == "chosen among 2 runs by validation"
    assert b"chosen among 2 runs by validation" in chosen.report.read_bytes()
    assert (user.row(other)["test"], user.row(other)["test_sealed"]) == (None, True)
    for shown in user.tables(*runs).values():
        assert f"opened once; {chosen.name} chosen among 2 runs by validation" in shown

    # again for the same run: nothing is left to do; for another one: not without a word
    assert user.call("test", chosen.name, other.name).code == 0
    assert len(ledger(user)) == len(before) + 1
    refused = user.call("test", other.name)
    assert refused.code == 2
    assert f"the test of this question was opened for {chosen.name} already" in refused.err
    shutil.rmtree(chosen.path)  # the ledger still knows
    assert user.call("test", other.name).code == 2
    assert openings.is_sealed(other)
    assert user.call("test", other.name, "--again").code == 0
    assert read_json(other.results)["test_scored"]["opened"] == 2
    assert read_json(other.results)["test_scored"]["opening"]["before"] == 1


def test_an_opening_that_was_interrupted_goes_on(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from htr_exp.pipeline.stages import Stages

    run = sealed(user)

    def killed(self: Stages) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Stages, "predict", killed)
        patched.setattr("htr_exp.pipeline.recognition.Recognition.predict", killed)
        user.call("test", run.name)
    assert run.state().state is RunState.INTERRUPTED
    assert user.row(run)["val"] == validation(run)  # what is known stays known
    starts = len([start for start in run.begun if "leg" in start])
    assert user.call("resume", run.name).code == 0
    assert run.state().state is RunState.DONE
    assert read_json(run.results)["test"]["best"] is not None
    assert len([start for start in run.begun if "leg" in start]) == starts  # nothing was trained
    assert len([line for line in ledger(user) if line.get("opening")]) == 1


def test_what_cannot_be_opened_says_why(user: User) -> None:
    said = user.call("test", user.first.name)
    assert said.code == 2
    assert "no test is sealed there" in said.err
    assert user.call("test").code == 2
    run = sealed(user)
    results = read_json(run.results)
    run.results.write_text(run.results.read_text().replace('"epochs"', '"epochs" '))
    assert results == read_json(run.results)
    said = user.call("test", run.name)
    assert said.code == 2
    assert "changed since it was written: results.json" in said.err
    assert openings.is_sealed(run)


@pytest.mark.parametrize(
    ("verb", "words", "said"),
    [
        ("train", ["split.test=0"], "the split has no test pages that could be sealed"),
        ("evaluate", [], "changes nothing with `evaluate`"),
        ("train", ["scores.test=never"], "scores.test=never"),
    ],
)
def test_a_seal_without_effect_is_refused(user: User, verb: str, words: list[str], said: str) -> None:
    answer = getattr(user, verb)("scores.test=final", *words)
    assert answer.code == 2
    assert said in answer.err
