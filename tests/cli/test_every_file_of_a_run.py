"""Each file of a finished run, whatever it is called, edited, removed, replaced or with another one beside it.

The files are those that the run's folder has: a new kind of file is tried as well.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.one_training import User
from htr_exp.core.files import read_json
from htr_exp.runs.rows import RunRow, row_of
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import readable
from htr_exp.tracking import run_view

pytestmark = pytest.mark.seconds

SAID = ("metric", "val", "test", "base_val", "base_test", "test_wer", "resumed_at", "resumed_exactly", "leakage", "trained_on", "dataset_digest",
        "test_digest", "test_scored", "excluded_pages", "left_out_scored", "convention_mismatch", "kraken", "scores", "end_to_end", "base_model")  # fmt: skip
"""What a table says of a run that can be published."""


def files_of(run: RunDir) -> list[str]:
    return sorted(path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file())


def edited(path: Path) -> None:
    content = path.read_bytes() or b"?"
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def removed(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"" if path.read_bytes() else b"x")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def edited_behind_its_time(path: Path) -> None:
    status = path.stat()
    edited(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def write(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n")


@pytest.fixture
def each(user: User) -> tuple[RunDir, Callable[[], None]]:
    """The finished run, and what makes it as it was."""
    run, copy = user.first, user.workspace.parent / "as it was"
    shutil.copytree(run.path, copy)

    def again() -> None:
        shutil.rmtree(run.path)
        shutil.copytree(copy, run.path)

    return run, again


def is_sealed(name: str) -> bool:
    """Whether a file says what the run is, or what it made.

    What lies in live/ changes, or holds on one machine alone. The report is made of the others, to the same bytes each time.
    """
    return not name.startswith("live/") and name != "report.html"


@pytest.mark.parametrize("how", [edited, removed, emptied, a_folder, edited_behind_its_time])
def test_what_happens_to_a_file_of_a_finished_run_is_said(
    each: tuple[RunDir, Callable[[], None]], how: Callable[[Path], None]
) -> None:
    run, again = each
    names = [name for name in files_of(run) if is_sealed(name)]
    assert {"manifest.json", "results_manifest.json", "results.json", "predictions/test.jsonl"} < set(names)
    for name in names:
        how(run.path / name)
        runs, refused = readable(run.path.parent)
        if not runs:  # without these it is no run
            assert name in ("manifest.json", "provenance.json")
            assert name in refused[run.name]
        else:
            assert name in run.broken_seals(every_digest=how is edited_behind_its_time), name
        again()
    assert run.broken_seals(every_digest=True) == []


def test_a_file_that_a_link_stands_for_is_not_read(each: tuple[RunDir, Callable[[], None]]) -> None:
    run, again = each
    for name in files_of(run):
        aside = run.path.parent.parent / "aside"
        (run.path / name).rename(aside)
        (run.path / name).symlink_to(aside)
        runs, refused = readable(run.path.parent)
        assert runs == []
        assert f"symbolic links or special files ({name})" in refused[run.name]
        aside.unlink()
        again()


@pytest.mark.parametrize("how", [edited, removed, emptied, edited_behind_its_time])
def test_no_file_of_live_changes_what_is_published_unsaid(
    each: tuple[RunDir, Callable[[], None]], how: Callable[[Path], None]
) -> None:
    run, again = each

    def published(row: RunRow) -> dict[str, object]:
        return {key: value for key, value in row.items() if key in SAID}

    before = published(row_of(run))
    for name in files_of(run):
        if not is_sealed(name):
            how(run.path / name)
            row = row_of(RunDir(run.path))
            assert published(row) == before or row["seals"] != "ok", name
            again()


def test_a_file_that_was_added_is_named_where_it_may_be_taken_for_one_of_the_run(user: User) -> None:
    run = user.first
    for name in files_of(run):
        if is_sealed(name):
            path = run.path / name
            beside = path.with_name(f"{path.name.partition('.')[0]} 2.{path.name.partition('.')[2]}")
            shutil.copyfile(path, beside)
            assert run.broken_seals() == [beside.relative_to(run.path).as_posix()]
            beside.unlink()
    for note in ("notes.txt", "figure.png", ".hidden.json", "predictions/.DS_Store"):
        (run.path / note).write_text("mine")
    assert run.broken_seals() == []
    (run.predictions / "by hand").mkdir()
    (run.predictions / "by hand" / "more.txt").write_text("mine")
    assert run.broken_seals() == ["predictions/by hand/more.txt"]


@pytest.mark.parametrize("manifest", ["manifest.json", "results_manifest.json"])
def test_an_entry_that_is_taken_out_of_a_manifest_is_missed(user: User, manifest: str) -> None:
    """Whatever is then done to the file."""
    run = user.first
    path = run.path / manifest
    before = path.read_text()
    for name in set(read_json(path)) - {"manifest.json", "results_manifest.json"}:
        write(path, {key: seal for key, seal in read_json(path).items() if key != name})
        content = (run.path / name).read_bytes()
        edited(run.path / name)
        assert {manifest, name} <= set(run.broken_seals())
        (run.path / name).write_bytes(content)
        path.write_text(before)
        os.utime(path, ns=(1, 1))
        assert run.broken_seals(every_digest=True) == []


@pytest.mark.parametrize("verb", ["status", "compare", "train", "json"])
def test_every_verb_names_all_that_was_changed(user: User, verb: str) -> None:
    run = user.first
    taken_out = {name: seal for name, seal in read_json(run.manifest).items() if name != "split.json"}
    write(run.manifest, taken_out)
    (run.predictions / "train.jsonl").write_text("{}\n")
    (run.path / "results-2.json").write_text("{}\n")
    names = ["manifest.json", "predictions/train.jsonl", "results-2.json", "split.json"]
    if verb == "json":
        assert user.row(run)["seals"] == names
    else:
        said = user.train() if verb == "train" else user.call(verb)
        assert f"changed since it was written: {', '.join(names)}" in " ".join(said.out.split())


def test_a_finished_run_without_its_manifest_is_said_and_never_written_over(user: User) -> None:
    run = user.first
    run.manifest.unlink()
    before = {name: (run.path / name).read_bytes() for name in files_of(run)}
    for words in (["status"], ["compare"], ["status", run.name]):
        said = user.call(*words)
        assert f"{run.path}: this run cannot be read; manifest.json is missing or damaged" in " ".join(said.err.split())
    again = user.trained()
    assert again.path != run.path
    assert {name: (run.path / name).read_bytes() for name in files_of(run)} == before


def test_scores_of_a_run_that_did_not_end_are_of_nobody(user: User) -> None:
    """Who removes the seals of the results, and lets the run look as if it had not ended, shows no score."""
    run = user.first
    run.results_manifest.unlink()
    assert user.row(run)["seals"] == ["results_manifest.json"]
    run.state_file.unlink()
    row = user.row(run)
    assert (row["state"], row["test"], row["test_cer"]) == ("queued", None, None)
    assert "results.json" not in run_view.artifacts(run.path)


@pytest.mark.parametrize("name", ["fingerprints.json", "manifest.json"])
def test_what_a_changed_run_says_of_its_models_pages_is_no_longer_the_whole(user: User, name: str) -> None:
    run = user.first
    path = run.path / name
    values = read_json(path)
    write(path, values | {"pages": []} if name == "fingerprints.json" else {"split.json": values["split.json"]})
    unseen = f"dataset.pattern={user.page_of('test')}.xml"
    said = user.evaluate(f"model.path={run.best}", unseen)
    assert said.code == 0, said.err
    assert (
        f"model: the fingerprints.json of {run.name} was changed since it was written: it may name too few pages"
        in said.err
    )
    assert user.evaluate(f"model.path={run.best}").code == 2  # the model itself knows them


@pytest.mark.parametrize("name", ["split.json", "manifest.json"])
def test_the_split_of_a_run_that_was_changed_is_not_taken(user: User, name: str) -> None:
    edited(user.first.path / name) if name == "split.json" else write(user.first.manifest, {})
    said = user.dry("split=of_run", f"split.run={user.first.name}")
    assert said.code == 2
    assert "is not as the run wrote it: if the change is meant, name this file itself" in said.err
