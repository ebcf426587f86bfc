"""What of a run MLflow shows."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from helpers.recorded_runs import client_of, make_run, only, sealed, state_of
from htr_exp.core import files
from htr_exp.core.task import SEGMENTATION, TASKS
from htr_exp.runs import ownership
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import pages, run_view
from htr_exp.tracking.sync import sync_runs

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("queued", "SCHEDULED"),
        ("running", "RUNNING"),
        ("failed", "FAILED"),
        ("cancelled", "KILLED"),
        ("timed_out", "KILLED"),
    ],
)
def test_every_state_has_a_status(place: Path, state: str, status: str) -> None:
    folder = make_run(place, state=state)
    run_id = only(sync_runs([folder], workspace=place)).run_id
    assert client_of(place).get_run(run_id).info.status == status


@pytest.mark.parametrize(
    "name",
    ["predictions/notes.jsonl", "predictions/overlays/holiday.jpg", "classes.yaml", "uncommitted.diff", "best.mlmodel"],
)
@pytest.mark.parametrize("state", ["done", "running", "failed"])
def test_what_somebody_put_beside_the_files_of_a_run_is_not_recorded(place: Path, state: str, name: str) -> None:
    folder = make_run(place, state=state)
    if state == "done":
        (folder / "best.mlmodel").unlink()
        sealed(folder)
    before, mark = run_view.artifacts(folder), run_view.fingerprint(folder)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("mine")
    if name == "best.mlmodel" and state != "done":
        assert set(run_view.artifacts(folder)) == {*before, name}  # it is made while the run works
    else:
        assert (run_view.artifacts(folder), run_view.fingerprint(folder)) == (before, mark)


def test_all_that_a_run_made_is_recorded(place: Path) -> None:
    folder = make_run(place)
    (folder / "predictions/overlays").mkdir()
    (folder / "predictions/overlays/p3.jpg").write_bytes(b"a picture")
    (folder / "classes.yaml").write_text("{}")
    sealed(folder)
    made = {"results.json", "best.mlmodel", "metrics.jsonl", "predictions/test.jsonl", "predictions/overlays/p3.jpg"}
    written = {"experiment.yaml", "provenance.json", "split.json", "commands.sh", "classes.yaml"}
    assert set(run_view.artifacts(folder)) == made | written | {"log.txt"}


def test_the_report_is_recorded_of_a_run_of_our_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(place / "data"))
    folder = make_run(place)
    before = run_view.fingerprint(folder)
    (folder / "report.html").write_text("<!DOCTYPE html>")
    assert "report.html" not in run_view.artifacts(folder)  # whoever wrote it: a browser would do what it says
    ownership.sign(RunDir(folder))
    assert run_view.artifacts(folder)["report.html"] == folder / "report.html"
    copied = shutil.copytree(folder, place / "elsewhere" / folder.name)
    assert "report.html" not in run_view.artifacts(copied)
    assert (
        run_view.fingerprint(folder) == run_view.fingerprint(copied) == before
    )  # a workspace is copied with its database


def test_a_reason_that_is_gone_is_not_shown(place: Path) -> None:
    folder = make_run(place, state="failed")
    state = state_of("failed") | {"reason": "out of memory"}
    files.write_json(folder / "live/state.json", state)
    run_id = only(sync_runs([folder], workspace=place)).run_id
    assert client_of(place).get_run(run_id).data.tags["htr_exp.reason"] == "out of memory"
    files.write_json(folder / "live/state.json", state_of("queued"))
    only(sync_runs([folder], workspace=place))
    assert "htr_exp.reason" not in client_of(place).get_run(run_id).data.tags


def test_every_column_of_the_table_of_scores_exists(place: Path) -> None:
    layout = make_run(place, "summa-blla-1a2b3c4d", question="both")
    facts = files.read_json(layout / "provenance.json")
    files.write_json(layout / "provenance.json", facts | {"run": facts["run"] | {"task": "segmentation"}})
    files.write_json(layout / "results.json", {"test": {"base": {"line_f1": 0.8}, "best": {"line_f1": 0.9}}})
    sealed(layout)
    client = client_of(place)
    there, ordered = {"attributes.`Created`"}, []
    for folder in (make_run(place, question="both"), layout):
        (recorded,) = sync_runs([folder], workspace=place)
        data = client.get_run(recorded.run_id).data
        there |= {f"metrics.`{name}`" for name in data.metrics} | {f"params.`{name}`" for name in data.params}
        there |= {f"tags.`{name}`" for name in data.tags}
        table = json.loads(client.get_experiment_by_name("both").tags["mlflow.sharedViewState.scores"])
        assert set(table["selectedColumns"]) <= there
        assert table["orderByKey"] in table["selectedColumns"]
        assert {
            f"metrics.`{chart['metricKey']}`" for chart in table["compareRunCharts"] if "metricKey" in chart
        } <= there
        ordered.append([column for column in table["selectedColumns"] if "test_" in column])
    assert ordered == [["metrics.`test_cer_percent`"], ["metrics.`test_cer_percent`", "metrics.`test_line_f1`"]]


def test_an_experiment_of_segmentations_is_ordered_by_what_they_are_judged_by(place: Path) -> None:
    tags = pages.experiment_tags([SEGMENTATION])
    table = json.loads(tags["mlflow.sharedViewState.scores"])
    assert (table["orderByKey"], table["orderByAsc"]) == ("metrics.`test_line_f1`", False)
    sections = {section["uuid"] for section in table["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in table["compareRunCharts"]} <= sections  # others are not drawn
    assert len(pages.experiment_tags([*TASKS.values()])["mlflow.sharedViewState.scores"]) <= 5000  # MLflow's limit


def test_error_rates_are_shown_in_percent_and_the_curve_in_a_section_of_its_own(place: Path) -> None:
    shown = run_view.read(make_run(place), place).metrics
    assert {name: value for (name, _), (value, _) in shown.items() if re.fullmatch(r"\w+_percent\w*", name)} == {
        "test_cer_percent": 12.0, "test_cer_percent_base": 20.0, "test_wer_percent": 50.0,
        "test_wer_percent_base": 50.0, "val_cer_percent": 20.0, "val_wer_percent": 50.0,
    }  # fmt: skip
    assert [value for (name, _), (value, _) in shown.items() if name.startswith("curve/")] == [31.0, 18.0, 12.0]
    assert next(iter(shown))[0].startswith("curve/")  # MLflow keeps the order


def test_intervals_and_gains_are_metrics(place: Path) -> None:
    folder = make_run(place)
    results = files.read_json(folder / "results.json")
    results["test"]["best"] |= {"cer_low": 0.06, "cer_high": 0.14, "units": 5}
    gain = {"cer": 0.08, "cer_low": 0.05, "cer_high": 0.11, "p": 0.01, "sign_p": 0.1, "detectable": 0.03, "units": 5}
    files.write_json(folder / "results.json", results | {"gain": {"test": gain, "validation": None}})
    shown = {name: value for (name, _), (value, _) in run_view.read(folder, place).metrics.items()}
    assert (shown["test_cer_low"], shown["test_cer_high"]) == (0.06, 0.14)
    assert (shown["test_gain_points_low"], shown["test_gain_points_high"]) == (5, 11)
    assert "test_units" not in shown


def test_errors_by_kind_are_metrics_and_their_sum_is_not(place: Path) -> None:
    folder = make_run(place)
    results = files.read_json(folder / "results.json")
    results["test"]["best"] |= {"errors": 12, "insertions": 2, "deletions": 3, "substitutions": 7}
    files.write_json(folder / "results.json", results)
    shown = {name: value for (name, _), (value, _) in run_view.read(folder, place).metrics.items()}
    assert [shown[f"test_{kind}"] for kind in ("insertions", "deletions", "substitutions")] == [2, 3, 7]
    assert "test_errors" not in shown
    assert "test_insertions_base" not in shown  # of before they were counted


def test_the_part_of_reading_is_a_metric_in_percent_too_and_its_counts_are_none(place: Path) -> None:
    folder = make_run(place)
    results = files.read_json(folder / "results.json")
    parts = {"cer_reading": 0.0312, "cer_reading_low": 0.01, "errors_reading": 3, "errors_convention": 7}
    results["test"] = {name: scores | parts for name, scores in results["test"].items()}
    files.write_json(folder / "results.json", results)
    sealed(folder)
    metrics = {name: value for (name, _), (value, _) in run_view.read(folder, place).metrics.items()}
    assert {name: value for name, value in metrics.items() if "reading" in name or "convention" in name} == {
        "test_cer_reading": 0.0312, "test_cer_reading_base": 0.0312, "test_cer_reading_low": 0.01,
        "test_cer_reading_low_base": 0.01, "test_cer_reading_percent": 3.12, "test_cer_reading_percent_base": 3.12,
    }  # fmt: skip


def test_percent_has_two_decimals_in_metrics_and_notes(place: Path) -> None:
    folder = make_run(place, curve=(0.3123456, 0.0454912))
    results = files.read_json(folder / "results.json")
    results["test"]["base"]["cer"] = 0.1234567
    files.write_json(folder / "results.json", results)
    view = run_view.read(sealed(folder), place)
    metrics = {name: value for name, value in view.metrics.items() if "percent" in name[0] or "points" in name[0]}
    assert metrics["test_cer_percent", 0][0] == 4.55
    assert metrics["test_cer_percent_base", 0][0] == 12.35
    assert metrics["test_gain_points", 0][0] == 7.80
    assert [value for (name, _), (value, _) in metrics.items() if name.startswith("curve/")] == [31.23, 4.55]
    assert "Test CER: 12.35 % before, **4.55 %** after training" in view.tags["mlflow.note.content"]
    assert view.metrics["test_cer", 0][0] == 0.0454912  # the exact figure beside it


def test_the_memory_of_a_training_is_a_metric(place: Path) -> None:
    folder = make_run(place)
    epochs = files.read_jsonl(folder / "metrics.jsonl")
    files.write_jsonl(folder / "metrics.jsonl", [one | {"memory_gb": 1.2, "gpu_memory_gb": 9.5} for one in epochs])
    metrics = run_view.read(sealed(folder), place).metrics
    last = epochs[-1]["epoch"]
    assert (metrics["memory_gb", last][0], metrics["gpu_memory_gb", last][0]) == (1.2, 9.5)


def test_an_evaluation_shows_its_result_in_the_columns_of_trainings(place: Path) -> None:
    folder = make_run(place)
    results = files.read_json(folder / "results.json")
    files.write_json(folder / "results.json", {"test": {"model": results["test"]["base"]}})
    facts = files.read_json(folder / "provenance.json")
    files.write_json(folder / "provenance.json", facts | {"run": facts["run"] | {"verb": "evaluate"}})
    view = run_view.read(sealed(folder), place)
    assert view.metrics["test_cer", 0][0] == 0.2
    assert view.metrics["test_cer_percent", 0][0] == 20.0
    note = view.tags["mlflow.note.content"]
    assert "Test CER: **20.00 %**, nothing was trained" in note
    assert note.startswith("**odalricus**, recognition, with tridis.")
    assert "Epochs" not in note
    assert (view.params["base_model"], view.params["dataset"]) == ("tridis", "odalricus")


def test_the_params_of_an_experiment_are_its_scalars_under_dotted_keys() -> None:
    flat = run_view.flat_params({"a": {"b": 1, "c": {}}, "d": None, "e": [1, "é"], "f": True, "g": "1e-3", "h:": 1e-05})
    assert flat == {"a.b": "1", "e": '[1, "é"]', "f": "true", "g": "1e-3", "h_": "1e-05"}
    assert all(re.fullmatch(r"[\w.\- /]+", key) for key in flat)


def test_what_slurm_adds_is_shown(place: Path) -> None:
    folder = make_run(place)
    slurm = {"partition": "publicgpu", "time_min": 600}
    for job in ("41_3", "57"):
        files.append_jsonl(folder / "live/jobs.jsonl", {"job": job, "time": "2026-03-01T09:59:00Z", "slurm": slurm})
    files.append_jsonl(folder / "live/requeues.jsonl", {"job": "41_3"})
    (folder / "live/starts.jsonl").unlink()
    for number, node in enumerate(["gpu-2", "gpu-2", "gpu-5"]):
        start = {"start": number, "time": "2026-03-01T10:00:00Z", "host": f"{node}.local", "node": node, "job": "41_3"}
        files.append_jsonl(folder / "live/starts.jsonl", start)
        leg = {"leg": "leg-01", "device": "cuda:0", "epochs_before": number, "lost_epochs": number, "exact": True}
        files.append_jsonl(folder / "live/starts.jsonl", leg)
    tags = run_view.read(folder, place).tags
    shown = {key: tags[f"htr_exp.{key}"] for key in ("jobs", "nodes", "partition", "device", "restarts", "requeues")}
    assert shown == {
        "jobs": "41_3, 57", "nodes": "gpu-2, gpu-5", "partition": "publicgpu", "device": "cuda:0", "restarts": "2",
        "requeues": "1",
    }  # fmt: skip
    assert tags["htr_exp.lost_epochs"] == "3"
    assert (tags["htr_exp.resumed_at"], tags["htr_exp.resumed_exactly"]) == ("1, 2", "True")
    before = run_view.fingerprint(folder)
    files.append_jsonl(folder / "live/requeues.jsonl", {"job": "57"})
    assert run_view.fingerprint(folder) != before


@pytest.mark.parametrize(("job", "status"), [(None, "KILLED"), ("41", "SCHEDULED")])
def test_a_run_whose_process_was_killed_waits_only_where_slurm_starts_it_again(
    place: Path, job: str | None, status: str
) -> None:
    folder = make_run(place, state="running")
    files.append_jsonl(folder / "live/starts.jsonl", {"start": 0, "time": "2026-03-01T10:00:00Z", "job": job})
    at_work = run_view.fingerprint(folder)
    assert run_view.read(folder, place).status == "RUNNING"
    shutil.rmtree(folder / "live/lock")
    assert run_view.read(folder, place).status == status
    assert run_view.fingerprint(folder) != at_work
