from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.whole_runs import do
from htr_exp.core.files import read_json, read_jsonl, write_jsonl
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.runs import seals
from htr_exp.runs.run_dir import RunDir


def edit(path: Path) -> None:
    """Change the last byte of a file."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_what_a_run_made_is_sealed_at_its_end(planned: Callable[..., RunDir], scenario) -> None:
    run = planned()
    do(run)
    made = [
        "results.json",
        "metrics.jsonl",
        "best.mlmodel",
        "pictures.jsonl",
        "predictions/test.jsonl",
        "predictions/validation.jsonl",
    ]
    assert seals.names(run.results_manifest) == {"manifest.json", *made}
    assert run.broken_seals(every_digest=True) == []
    for name in made:
        edit(run.path / name)
    assert run.broken_seals() == made


def test_a_stopped_run_trains_on_and_is_sealed_again(planned: Callable[..., RunDir], scenario) -> None:
    scenario.play(epoch_seconds=0.4)
    run = planned("training.epochs=6", "training.leg_epochs=0")
    do(run, word="user")
    before = read_json(run.results_manifest)
    scenario.play()
    assert do(run).state == "done"
    assert read_json(run.results_manifest) != before
    assert run.broken_seals(every_digest=True) == []


@pytest.mark.parametrize("name", ["metrics.jsonl", "results.json"])
def test_a_stopped_run_that_was_changed_does_not_go_on(planned: Callable[..., RunDir], scenario, name: str) -> None:
    scenario.play(epoch_seconds=0.4)
    run = planned("training.epochs=6", "training.leg_epochs=0")
    do(run, word="user")
    edit(run.path / name)
    scenario.play()
    state = do(run)
    assert state.state == "failed"
    assert f"changed since it was written: {name}" in str(state.reason)


def test_a_prediction_that_was_edited_in_the_cache_is_made_again(planned: Callable[..., RunDir], scenario) -> None:
    first = planned("seed=1")
    do(first)
    before = read_json(first.results)["test"]["base"]
    truth = {row["line"]: row["reference"] for row in read_jsonl(first.predictions_of("test"))}
    cache = RunInputs(first).cache
    for file in cache.glob("predictions/*/*.jsonl"):
        rows = read_jsonl(file)
        write_jsonl(file, [row | {"text": truth.get(row["line"], row["text"])} for row in rows])
    second = planned("seed=2")
    assert do(second).state == "done"
    assert read_json(second.results)["test"]["base"] == before
    assert before["cer"] > 0
    assert ".jsonl: changed since it was written; it is made again" in second.log.read_text()


def test_compiled_lines_that_were_edited_in_the_cache_are_compiled_again(
    planned: Callable[..., RunDir], scenario
) -> None:
    first = planned("seed=1")
    do(first)
    compiled = RunInputs(first).compiled()
    before = {side: file.read_bytes() for side, file in compiled.items()}
    edit(compiled["train"])
    second = planned("seed=2")
    assert do(second).state == "done"
    assert len(scenario.calls("compile")) == 4
    assert {side: file.read_bytes() for side, file in compiled.items()} == before
    assert f"{compiled['train']}: changed since it was written; it is made again" in second.log.read_text()


def test_a_cached_file_whose_digest_was_never_written_is_made_again_without_a_word(
    planned: Callable[..., RunDir], scenario
) -> None:
    first = planned("seed=1")
    do(first)
    for digest in RunInputs(first).cache.rglob("*.sha256"):
        digest.unlink()
    second = planned("seed=2")
    assert do(second).state == "done"
    assert "made again" not in second.log.read_text()
