"""Runs that are fetched from another site, over a real ssh and rsync."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.loopback_ssh import LoopbackSsh
from helpers.recorded_runs import make_run, sealed, state_of
from htr_exp.core import files
from htr_exp.core.errors import HtrExpError
from htr_exp.remote import rsync
from htr_exp.remote.connection import Connection
from htr_exp.remote.pull import ARRIVING, NOT_FETCHED, Pulled, pull
from htr_exp.runs.ownership import is_ours, sign
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in

NAME = "odalricus-tridis-0a1b2c3d"


@pytest.fixture
def there(workspace: Path, cluster: LoopbackSsh) -> Iterator[Connection]:
    with Connection("cluster") as found:
        yield found


@pytest.fixture
def run_there(cluster: LoopbackSsh) -> Path:
    """A run that is done, with what stays there."""
    folder = make_run(cluster.there)
    for name in NOT_FETCHED:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix or place.name in ("signature", "lock"):
            place.write_text("of that machine")
        else:
            place.mkdir()
            (place / "epoch_0.ckpt").write_text("large")
    return folder


def fetch(there: Connection, runs: Path, *folders: Path, state: str = "done") -> list[Pulled]:
    rows: list[dict[str, Any]] = [{"run": one.name, "state": state, "folder": str(one)} for one in folders]
    return list(pull(there, rows, runs, lambda name: None))


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_arrives_whole_and_a_second_time_nothing_changes(
    there: Connection, run_there: Path, workspace: Path
) -> None:
    runs = workspace / "runs"
    runs.mkdir()
    (first,) = fetch(there, runs, run_there)
    assert (first.done, first.files) == ("new", len(content(runs / NAME)))
    got = content(runs / NAME)
    assert got == {name: data for name, data in content(run_there).items() if not name.startswith(NOT_FETCHED)}
    assert {"best.mlmodel", "results.json", "live/log.txt", "predictions/test.jsonl"} <= got.keys()
    run = RunDir(runs / NAME)
    assert run.broken_seals(every_digest=True) == []
    assert not is_ours(run)  # what it says of programs is not believed here
    before = {path: path.stat().st_mtime_ns for path in (runs / NAME).rglob("*")}
    assert [one.done for one in fetch(there, runs, run_there)] == ["same"]
    assert before == {path: path.stat().st_mtime_ns for path in (runs / NAME).rglob("*")}
    assert [path.name for path in runs.iterdir()] == [NAME]


@pytest.mark.parametrize("state", ["running", "queued"])
def test_a_run_that_goes_on_is_left_there(state: str, there: Connection, run_there: Path, workspace: Path) -> None:
    assert fetch(there, workspace, run_there, state=state) == [Pulled(NAME, state, "waits")]
    assert list(workspace.iterdir()) == []


def test_a_run_that_ended_otherwise_since_takes_the_place_of_its_earlier_state(
    there: Connection, run_there: Path, workspace: Path
) -> None:
    (run_there / "results_manifest.json").unlink()
    files.write_json(run_there / "live/state.json", state_of("failed"))
    assert fetch(there, workspace, run_there, state="failed")[0].done == "new"
    files.write_json(run_there / "live/state.json", state_of("done"))
    (run_there / "predictions" / "extra.jsonl").write_text("{}\n")
    sealed(run_there)
    assert fetch(there, workspace, run_there)[0].done == "updated"
    assert RunDir(workspace / NAME).written_state().state == "done"
    assert [path.name for path in workspace.iterdir()] == [NAME]


@pytest.mark.parametrize("what", ["another run", "ours", "changed here"])
def test_what_is_different_here_is_never_replaced(
    what: str, there: Connection, run_there: Path, workspace: Path
) -> None:
    if what == "another run":
        here = make_run(workspace, lrate=0.5)
        runs = here.parent
    else:
        runs = workspace
        fetch(there, runs, run_there)
        here = runs / NAME
        if what == "ours":
            sign(RunDir(here))
        else:
            (here / "results.json").write_text("{}")
        files.write_json(run_there / "live/state.json", {**state_of("done"), "reason": "resumed"})
    before = content(here)
    (told,) = fetch(there, runs, run_there)
    assert told.done == "refused"
    assert "then pull again" in told.why
    assert content(here) == before


@pytest.mark.parametrize("file", ["best.mlmodel", "provenance.json"])
def test_a_run_that_is_not_as_it_was_sealed_does_not_become_one_here(
    file: str, there: Connection, run_there: Path, workspace: Path
) -> None:
    (run_there / file).write_bytes(b"{}")
    (told,) = fetch(there, workspace, run_there)
    assert told.done == "refused"
    assert "sealed" in told.why or file in told.why
    assert runs_in(workspace) == []


def test_what_was_interrupted_is_no_run_and_goes_on(
    there: Connection, run_there: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rsync.fetch

    def cut(connection: Connection, folder: Path, place: str, wanted: dict[str, Any], progress: None) -> None:
        real(connection, folder, place, {name: wanted[name] for name in list(wanted)[::2]}, progress)
        (folder / "gone_there_since.json").write_text("{}")
        raise HtrExpError("lost")

    monkeypatch.setattr(rsync, "fetch", cut)
    with pytest.raises(HtrExpError):
        fetch(there, workspace, run_there)
    assert runs_in(workspace) == []
    assert [path.name for path in workspace.iterdir()] == [ARRIVING]
    monkeypatch.setattr(rsync, "fetch", real)
    assert fetch(there, workspace, run_there)[0].done == "new"
    assert "gone_there_since.json" not in content(workspace / NAME)


@pytest.mark.parametrize("name", ["../evil", ".hidden", "a/b"])
def test_a_name_that_leads_elsewhere_is_refused(name: str, there: Connection, workspace: Path) -> None:
    (told,) = pull(there, [{"run": name, "state": "done", "folder": "/nowhere"}], workspace, lambda name: None)
    assert told.done == "refused"
