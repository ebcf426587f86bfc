from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.whole_runs import Quiet, do, staged
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.core.signals import Stop
from htr_exp.core.task import RECOGNITION, Epoch, Task
from htr_exp.kraken.checkpoints import LegCheckpoints
from htr_exp.kraken.model_file import read_header
from htr_exp.kraken.model_weights import weights_digest
from htr_exp.pipeline import write as write_module
from htr_exp.pipeline.plan import make_plan
from htr_exp.pipeline.run import run_stages
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.report.figures import Model
from htr_exp.report.measures import measures
from htr_exp.runs.provenance import code_digest
from htr_exp.runs.rows import row_of
from htr_exp.runs.run_dir import RunDir
from htr_exp.splits import fingerprints


def test_run_is_done_and_everything_is_in_its_folder(planned: Callable[..., RunDir], scenario) -> None:
    run = planned()
    assert do(run).state == "done"
    result = read_json(run.results)
    assert result["best_epoch"] == 3
    assert result["test"]["best"]["cer"] < result["test"]["base"]["cer"]
    assert result["test"]["best"]["lines"] == 3
    assert result["val_source"] == "rescored"
    assert [record["epoch"] for record in run.epochs()] == [1, 2, 3]
    rows = read_jsonl(run.predictions / "test.jsonl")
    assert len(rows) == 3
    assert all(row["reference"].startswith("in principio") and row["base"] != row["best"] for row in rows)
    assert not run.training.exists()  # checkpoints are not kept
    assert not list(run.live.glob("predicting"))


def test_every_rate_of_a_run_has_its_interval_and_so_has_its_gain(planned: Callable[..., RunDir], scenario) -> None:
    run = planned("split.test=0.5", "scores.convention_share=0.4")
    assert do(run).state == "done"
    result = read_json(run.results)
    base, best, gain = result["test"]["base"], result["test"]["best"], result["gain"]["test"]
    assert (best["units"], gain["units"]) == (3, 3)
    for scored in (base, best):
        for rate in ("cer", "cer_raw", "cer_nospace", "cer_folded", "wer"):
            assert scored[f"{rate}_low"] <= scored[rate] <= scored[f"{rate}_high"]
        assert scored["cer_reading"] + scored["cer_convention"] == pytest.approx(scored["cer"])
        assert scored["cer_reading_low"] <= scored["cer_reading"] <= scored["cer_reading_high"]
    assert {"reading", "convention"} <= {
        measure.name for measure in measures(RECOGNITION, result["test"], [Model("best", "")])
    }
    assert gain["cer"] == pytest.approx(base["cer"] - best["cer"])
    assert gain["cer_low"] <= gain["cer"] <= gain["cer_high"]
    assert result["folding"]["rows"][0] == "v u"
    assert len(result["folding"]["digest"]) == 64
    alone = result["validation"]["best"]
    assert (alone["units"], alone["cer_low"], result["gain"]["validation"]) == (1, None, None)


def test_what_the_split_keeps_together_is_one_unit(planned: Callable[..., RunDir], scenario, pages: Path) -> None:
    table = pages.parent / "pages.csv"
    table.write_text("page,codex\n" + "".join(f"f{number:02d}.xml,{'abc'[number // 2]}\n" for number in range(1, 6)) + "f06.xml,d\n")  # fmt: skip
    run = planned("split.test=0.5", f"dataset.metadata={table}", "split.by=codex", "split.train_pages=1")
    assert do(run).state == "done"
    tested = read_json(run.split)["test"]
    codices = {page["group"] for page in tested}
    best = read_json(run.results)["test"]["best"]
    assert len(codices) < len(tested)
    assert best["units"] == len(codices) > 1
    assert {page["page"]: page["unit"] for page in best["per_page"]} == {page["page"]: page["group"] for page in tested}
    assert read_json(run.provenance)["split"]["by"] == "codex"
    values = {page["metadata"]["codex"] for page in tested}
    assert {page["metadata"]["codex"] for side in ("train", "validation") for page in read_json(run.split)[side]} <= {
        *"abcd"
    }
    assert [one["value"] for one in best["by"]["codex"]] == sorted(values)
    assert sum(one["errors"] for one in best["by"]["codex"]) == best["errors"]


def test_natural_end_takes_krakens_own_best_weights(planned: Callable[..., RunDir], scenario) -> None:
    run = planned()
    do(run)
    assert not scenario.calls("convert")
    assert b'"epochs": 3,' in run.best.read_bytes()


def test_the_best_model_says_which_pages_it_has_seen(planned: Callable[..., RunDir], scenario) -> None:
    run = planned()
    do(run)
    weights = weights_digest(run.best)
    said = fingerprints.of_model(read_header(run.best).metadata["htr_exp"], weights)
    assert {(page.role, page.name) for page in said.pages} == {
        (side, page["page"]) for side in ("train", "validation") for page in read_json(run.split)[side]
    }
    assert (said.known, said.sources, said.notes) == ("in part", (run.name,), ())  # nobody knows of its base model
    assert read_json(run.results)["weights"]["best"] == weights


def test_done_run_starts_nothing(planned: Callable[..., RunDir], scenario) -> None:
    run = planned()
    do(run)
    before = len(scenario.calls())
    assert do(run).state == "done"
    assert len(scenario.calls()) == before


def test_stop_by_the_user_converts_the_best_checkpoint_and_scores_it(planned: Callable[..., RunDir], scenario) -> None:
    scenario.play(errors=[300, 100, 200, 250], epoch_seconds=0.4)
    run = planned("training.epochs=50", "training.leg_epochs=0")
    state = do(run, word="user")
    assert (state.state, state.reason[:19]) == ("stopped", "stopped by the user")
    assert Path(scenario.calls("convert")[0][-1]).name.startswith("checkpoint_01")
    assert b'"epochs": 2,' in run.best.read_bytes()
    assert read_json(run.results)["ended_by"] == "user"
    assert read_json(run.results)["test"]["best"]["cer"] is not None


def test_stopped_run_trains_on_and_nothing_is_compiled_or_recognised_twice(
    planned: Callable[..., RunDir], scenario
) -> None:
    scenario.play(epoch_seconds=0.4)
    run = planned("training.epochs=6", "training.leg_epochs=0")
    assert do(run, word="user").state == "stopped"
    scenario.play()
    assert do(run).state == "done"
    assert [record["epoch"] for record in run.epochs()] == list(range(1, 7))
    assert read_json(run.results)["epochs"] == 6
    assert b'"epochs": 6,' in run.best.read_bytes()
    assert len(scenario.calls("compile")) == 3  # train, validation, test
    models = [argv[argv.index("-m") + 1] for argv in scenario.calls("ocr")]
    assert len([model for model in models if model.endswith("base.mlmodel")]) == 1


def test_stop_before_the_first_epoch_says_that_there_is_nothing_to_score(
    planned: Callable[..., RunDir], scenario
) -> None:
    scenario.play(epoch_seconds=60)
    run = planned()
    stop = Stop()

    class Impatient(Quiet):
        def stage(self, name: str) -> None:
            if name == "train":
                stop.asked = "user"

    state = run_stages(run, stop=stop, observer=Impatient())
    assert state.state == "interrupted"
    assert "nothing to score yet" in state.reason
    assert not run.results.exists()


def test_termination_scores_nothing_and_the_next_start_loses_no_epoch(planned: Callable[..., RunDir], scenario) -> None:
    scenario.play(epoch_seconds=0.4)
    run = planned("training.epochs=5")
    assert do(run, word="terminated").state == "interrupted"
    assert not scenario.calls("ocr")
    heard = len(run.epochs())
    scenario.play()
    assert do(run).state == "done"
    last = read_jsonl(run.starts)[-1]
    assert (last["resumed_from"], last["epochs_before"], last["lost_epochs"]) == (LegCheckpoints.ABORTED, heard, 0)
    assert row_of(run)["restarts"] == 1


def test_time_budget_ends_a_run_that_is_done(planned: Callable[..., RunDir], scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    run = planned("training.epochs=500", "training.leg_epochs=0", "training.time_budget_min=0.01")
    assert do(run).state == "done"
    assert read_json(run.results)["ended_by"] == "time_budget"
    assert run.best.exists()


def test_failing_kraken_is_the_reason_and_the_same_run_can_go_on(planned: Callable[..., RunDir], scenario) -> None:
    scenario.play(fail="train", at_epoch=1, message="torch.OutOfMemoryError: CUDA out of memory")
    run = planned()
    state = do(run)
    assert (state.state, state.stage) == ("failed", "train")
    assert "exit code 1" in state.reason
    assert state.reason.endswith("kraken says: torch.OutOfMemoryError: CUDA out of memory")
    scenario.play()
    assert do(run).state == "done"
    assert [record["epoch"] for record in run.epochs()] == [1, 2, 3]
    assert len(scenario.calls("compile")) == 3


@pytest.mark.parametrize(
    ("stage", "word"), [("compile", "compiling"), ("ocr", "recognising"), ("convert", "converting")]
)
def test_kraken_failing_in_any_stage_says_which(
    planned: Callable[..., RunDir], scenario, stage: str, word: str
) -> None:
    scenario.play(fail=stage, message="OSError: no", epoch_seconds=0.2)
    run = planned("training.epochs=2", "training.quit=early")  # which we end: then a checkpoint is converted
    state = do(run)
    assert state.state == "failed"
    assert f"kraken failed while {word}" in state.reason
    assert "kraken says: OSError: no" in state.reason
    scenario.play()
    assert do(run).state == "done"


@pytest.mark.parametrize("number", [0, 5, -1])
def test_line_that_kraken_left_out_names_its_page(planned: Callable[..., RunDir], scenario, number: int) -> None:
    scenario.play(drop_line=number)
    run = planned()
    state = do(run)
    assert (state.state, state.stage) == ("failed", "compile")
    page = staged(run, "train")[(number % 12) // 3]
    places = read_json(run.places)["pages"]
    (name,) = (name for name, place in places.items() if place["staged"] == str(page))
    assert state.reason.startswith(f"{name}: kraken took other lines from it than the 3 that are staged (11 of 12")
    assert not list(Path(read_json(run.places)["cache"]).glob("compiled/*"))
    scenario.play()
    assert do(run).state == "done"


def test_page_that_kraken_could_not_recognise_is_named(planned: Callable[..., RunDir], scenario) -> None:
    run = planned()
    (test_page,) = read_json(run.split)["test"]
    scenario.play(ocr_missing_page=test_page["image"])
    state = do(run)
    assert (state.state, state.stage) == ("failed", "predict")
    assert f"kraken could not recognise {test_page['page']}" in state.reason
    scenario.play()
    assert do(run).state == "done"
    assert len(scenario.calls("train")) == 1


def test_two_that_write_one_experiment_at_once_get_one_run(experiment: list[str], workspace: Path, monkeypatch) -> None:
    made = make_plan(compose_experiment(experiment))
    meet = threading.Barrier(2)
    find = write_module.find

    def find_together(plan: Any) -> RunDir | None:
        found = find(plan)
        if meet.n_waiting < 2 and not meet.broken:
            with contextlib.suppress(threading.BrokenBarrierError):
                meet.wait(timeout=2)
        return found

    monkeypatch.setattr(write_module, "find", find_together)
    written: list[tuple[RunDir, bool]] = []
    writers = [
        threading.Thread(target=lambda: written.append(write_module.write_run(made, command=["train"])))
        for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(new for _, new in written) == [False, True]
    assert len({run.path for run, _ in written}) == 1
    assert not written[0][0].broken_seals()
    assert [path.name for path in (workspace / "runs").iterdir()] == [written[0][0].name]


def test_two_runs_over_one_split_compile_it_once(planned: Callable[..., RunDir], scenario) -> None:
    first, second = planned("seed=1"), planned("seed=2")
    assert first.path != second.path
    assert do(first).state == do(second).state == "done"
    assert len(scenario.calls("compile")) == 3


def test_program_that_kraken_started_ends_with_it(planned: Callable[..., RunDir], scenario) -> None:
    scenario.play(compile_seconds=60)
    run = planned()
    stop = Stop()

    class Impatient(Quiet):
        def note(self, text: str) -> None:
            stop.asked = "user"

    assert run_stages(run, stop=stop, observer=Impatient()).state == "interrupted"
    for pid in scenario.pids():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIG_DFL)
    assert not list(Path(read_json(run.places)["cache"]).glob("compiled/.*"))


def test_a_killed_kraken_is_started_again_from_its_newest_checkpoint(planned: Callable[..., RunDir], scenario) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=2, once=True)
    run = planned("training.epochs=5")
    assert do(run).state == "done"
    assert [record["epoch"] for record in run.epochs()] == list(range(1, 6))
    assert len(scenario.calls("train")) == 2
    assert "exit code -9" in run.log.read_text()
    assert row_of(run)["restarts"] == 0


def test_a_kraken_that_is_killed_twice_in_one_epoch_fails(planned: Callable[..., RunDir], scenario) -> None:
    scenario.play(die=signal.SIGKILL, at_epoch=2)
    run = planned("training.epochs=5")
    state = do(run)
    assert state.state == "failed"
    assert "exit code -9" in state.reason
    assert len(scenario.calls("train")) == 2
    assert [record["epoch"] for record in run.epochs()] == [1, 2]


def test_what_fails_a_moment_before_the_jobs_end_is_interrupted(
    planned: Callable[..., RunDir], scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm's signal also ends a `ketos --version`, or nvidia-smi, before we hear of it."""
    run, stop = planned(), Stop()

    def verify(inputs: RunInputs) -> None:
        threading.Timer(0.3, lambda: setattr(stop, "asked", "terminated")).start()
        raise RuntimeUnavailableError("ketos --version fails: exit code -15")

    monkeypatch.setattr(RunInputs, "verify", verify)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert run_stages(run, stop=stop, observer=Quiet()).state == "interrupted"


def test_a_run_that_is_cancelled_meanwhile_ends_as_cancelled(planned: Callable[..., RunDir], scenario) -> None:
    scenario.play(epoch_seconds=0.3)
    run = planned("training.epochs=20", "training.leg_epochs=0")

    class Cancels(Quiet):
        def epoch(self, task: Task, record: Epoch, best: Epoch, left_s: float | None) -> None:
            if record["epoch"] == 2:
                run.cancel("ada")

    state = run_stages(run, stop=Stop(), observer=Cancels())
    assert (state.state, state.reason) == ("cancelled", "cancelled by ada")
    assert run_stages(run, stop=Stop(), observer=Quiet()).state == "cancelled"
    assert len([row for row in read_jsonl(run.starts) if "start" in row]) == 1
    run.revive()
    scenario.play()
    assert do(run).state == "done"
    assert [record["epoch"] for record in run.epochs()] == list(range(1, 21))


def test_each_start_is_recorded_with_its_code_and_its_job(
    planned: Callable[..., RunDir], scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.play(epoch_seconds=0.3)
    run = planned("training.epochs=5")
    do(run, word="preempted")
    assert run.state().reason.startswith("stopped for its time limit or for another job")
    for name, value in {"SLURM_JOB_ID": "17", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3",
                        "SLURM_RESTART_COUNT": "1", "SLURMD_NODENAME": "gpu-07"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    scenario.play()
    assert do(run).state == "done"
    first, second = (row for row in read_jsonl(run.starts) if "start" in row)
    assert (first["start"], first["job"], first["node"]) == (0, None, None)
    assert (second["start"], second["job"], second["restart"], second["node"]) == (1, "12_3", 1, "gpu-07")
    assert first["code"] == second["code"] == code_digest()


def test_data_can_be_compiled_and_the_rest_left_queued(planned: Callable[..., RunDir], scenario) -> None:
    run = planned()
    assert len(RunInputs(run).to_compile()) == 3
    assert run_stages(run, stop=Stop(), observer=Quiet(), last_stage="compile").state == "queued"
    assert RunInputs(run).to_compile() == []
    assert not scenario.calls("train")
    assert do(run).state == "done"
    assert len(scenario.calls("compile")) == 3
    assert row_of(run)["restarts"] == 0


def test_another_kraken_than_the_plans_is_refused_where_it_would_run(
    planned: Callable[..., RunDir], scenario, fake_kraken: Path
) -> None:
    run = planned()
    fake_kraken.write_text("#!/bin/sh\necho 'ketos, version 7.1.9'\n")
    state = do(run)
    assert state.state == "failed"
    assert "is kraken 7.1.9" in state.reason
