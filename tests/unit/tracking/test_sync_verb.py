"""The verb `sync`, and verbs that record before they show."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.recorded_runs import EPOCHS, command, free_port, make_run, only, tracked
from htr_exp.core import files
from htr_exp.runs.ownership import sign
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import run_view
from htr_exp.tracking.sync import due, store_of, store_uri, sync_runs

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")


def test_every_run_goes_where_its_own_experiment_says(place: Path) -> None:
    port = free_port()
    here, away, nowhere = (make_run(place, name) for name in ("here", "away", "nowhere"))
    tracked(here, "embedded")
    sign(RunDir(tracked(away, "server", f"http://me:secret@127.0.0.1:{port}")))
    tracked(nowhere, "none")
    assert store_of(nowhere, place) is None
    assert due([here, away, nowhere], place) == [here, away]
    said = command(place, "sync", "--json")
    rows = {row["run"]: row for row in json.loads(said.stdout)}
    assert set(rows) == {"here", "away"}
    assert (rows["here"]["changed"], rows["here"]["problem"]) == (True, None)
    assert rows["here"]["store"] == store_uri(place)
    assert f"the tracking server http://127.0.0.1:{port} does not answer" in rows["away"]["problem"]
    assert (said.returncode, "secret" in said.stdout + said.stderr) == (1, False)
    assert due([here, away, nowhere], place) == [away]
    (named,) = json.loads(command(place, "sync", "--json", "nowhere").stdout)
    assert (named["changed"], named["store"]) == (True, store_uri(place))


def test_what_is_not_recorded_is_not_called_recorded(place: Path) -> None:
    here, away, copied = (make_run(place, name) for name in ("here", "away", "copied"))
    tracked(here, "embedded")
    sign(RunDir(tracked(away, "server", f"http://127.0.0.1:{free_port()}")))
    tracked(copied, "server", f"http://127.0.0.1:{free_port()}")  # nobody but its record names that server
    said = command(place, "sync")
    assert said.stdout.splitlines()[-1] == f"1 run recorded, 1 new or changed: {store_uri(place)}"
    assert " recorded" not in "".join(said.stdout.splitlines()[:-1]).replace("1/1 recorded here", "")
    assert said.stderr.splitlines()[0] == "2 runs not recorded"
    assert [line.partition(":")[0] for line in said.stderr.splitlines()[1:]] == ["error", "error"]


def test_marks_of_a_server_are_believed_unless_it_is_to_be_asked(place: Path) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    folder = tracked(make_run(place), "server", uri)
    sign(RunDir(folder))
    mark = {"run_id": "of-the-server", "fingerprint": run_view.fingerprint(folder)}
    files.write_json(RunDir(folder).tracking_marks, {uri: mark})
    assert due([folder], place) == []
    assert only(sync_runs([folder], workspace=place, ask=False)).run_id == "of-the-server"
    assert "does not answer" in str(sync_runs([folder], workspace=place)[0].problem)
    assert "no runs" not in command(place, "sync").stdout


def test_a_server_of_a_folder_that_we_did_not_write_is_not_spoken_to(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    folder = tracked(make_run(place), "server", uri)
    said = str(sync_runs([folder], workspace=place)[0].problem)
    assert f"only its own record names the server {uri}" in said
    assert f"sync {folder.name} --uri {uri}" in said
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{uri}/")
    assert "does not answer" in str(sync_runs([folder], workspace=place)[0].problem)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    sign(RunDir(folder))
    assert "does not answer" in str(sync_runs([folder], workspace=place)[0].problem)
    copy = shutil.copytree(folder, folder.with_name("copied"))
    assert "only its own record" in str(sync_runs([copy], workspace=place)[0].problem)


@pytest.mark.parametrize("words", [("compare",), ("status", "--sync")])
def test_runs_are_recorded_before_they_are_shown(place: Path, words: tuple[str, ...]) -> None:
    folder = tracked(make_run(place), "embedded")
    first = command(place, *words, "--json")
    assert (first.returncode, first.stderr) == (0, "Recording 1 run in MLflow\n")
    assert json.loads(first.stdout)[0]["run"] == folder.name
    assert due([folder], place) == []
    assert command(place, *words, "--json").stderr == ""


def test_a_store_that_fails_is_one_warning_of_compare(place: Path) -> None:
    runs = [tracked(make_run(place, name), "embedded") for name in ("a", "b")]
    (place / "mlflow.db").write_bytes(b"no database at all" * 100)
    said = command(place, "compare", "--json")
    assert said.returncode == 0
    assert len(json.loads(said.stdout)) == len(runs)
    records, warning = said.stderr.splitlines()
    assert records == "Recording 2 runs in MLflow"
    assert warning.startswith("warning: ")
    assert "is not an SQLite database" in warning


def test_two_syncs_at_once_record_twenty_runs_once(place: Path) -> None:
    runs = [tracked(make_run(place, f"run-{n:02d}"), "embedded") for n in range(20)]
    argv = [sys.executable, "-m", "htr_exp", "sync", "--json", f"--workspace={place}"]
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    rows = [json.loads(sync.communicate(timeout=300)[0]) for sync in both]
    assert [row["problem"] for said in rows for row in said] == [None] * 40
    assert sum(row["changed"] for said in rows for row in said) == len(runs)
    with sqlite3.connect(place / "mlflow.db") as db:
        assert db.execute("SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'").fetchone() == (20,)
        assert db.execute("SELECT count(*) FROM metrics WHERE key = 'val_cer'").fetchone() == (20 * len(EPOCHS),)
    db.close()
