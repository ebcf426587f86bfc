"""What a run reads is what was planned, or it stops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.whole_runs import do, staged
from htr_exp.runs.run_dir import RunDir


def test_base_model_that_changed_since_the_plan_stops_the_run(
    planned: Callable[..., RunDir], scenario, base_model: Path
) -> None:
    run = planned()
    base_model.write_bytes(base_model.read_bytes() + b"\0")
    state = do(run)
    assert (state.state, state.stage) == ("failed", "verify")
    assert f"{base_model}: the base model was changed since the run was planned" in state.reason
    assert not scenario.calls("compile")


def test_base_model_that_is_gone_stops_the_run(planned: Callable[..., RunDir], base_model: Path) -> None:
    run = planned()
    base_model.unlink()
    assert do(run).reason == f"{base_model}: the base model is gone"


def test_changed_and_missing_images_are_all_named(planned: Callable[..., RunDir], scenario, pages: Path) -> None:
    run = planned()
    (pages / "f02.png").write_bytes((pages / "f02.png").read_bytes() + b"\0")
    (pages / "f03.png").unlink()
    reason = do(run).reason
    assert reason.startswith("the data is not what the run was planned with")
    assert f"{pages / 'f02.png'}: the image was changed since the run was planned" in reason
    assert f"{pages / 'f03.png'}: No such file or directory" in reason
    assert not scenario.calls("compile")


@pytest.mark.parametrize("name", ["experiment.yaml", "split.json", "provenance.json", "commands.sh"])
def test_edited_record_stops_the_run(planned: Callable[..., RunDir], name: str) -> None:
    run = planned()
    with open(run.path / name, "a") as file:
        file.write("\n")
    state = do(run)
    assert state.state == "failed"
    assert state.reason == f"{run.path}: changed since it was written: {name}; start anew with again=true"


def test_staged_page_that_is_gone_is_staged_again_by_the_same_command(planned: Callable[..., RunDir]) -> None:
    run = planned()
    page = staged(run, "train")[0]
    page.unlink()
    assert f"{page}: the staged page is gone; the same train command stages it again" in do(run).reason
    assert planned().path == run.path
    assert do(run).state == "done"


def test_staged_page_that_was_edited_stops_the_run(planned: Callable[..., RunDir]) -> None:
    run = planned()
    page = staged(run, "test")[0]
    page.write_text(page.read_text().replace("principio", "principia"))
    assert f"{page}: the staged page was changed" in do(run).reason
    assert planned().path == run.path
    assert do(run).state == "done"
