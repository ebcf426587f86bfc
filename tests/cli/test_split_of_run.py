"""`split=of_run`, from the command line: corrections and new pages after a first run, and what cannot be used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.command_line import changed
from helpers.in_process import Call
from helpers.page_files import page_line, page_xml, put, write_image
from htr_exp.config.compose import compose_experiment
from htr_exp.pipeline.plan import Plan, make_plan
from htr_exp.runs.run_dir import RunDir
from htr_exp.splits.split import NAMES

Plans = Callable[..., Plan]
Runs = Callable[..., RunDir]


@pytest.fixture
def plan(call: Call, experiment: list[str]) -> Call:
    """Plan a training in this process: `plan("split=of_run")`."""
    return lambda *words: call("train", "--dry-run", *experiment, *words)


def new_page(pages: Path, name: str = "new") -> None:
    write_image(pages / f"{name}.png", shade=7)
    put(pages, page_xml(page_line(1, "omnia nova"), image=f"{name}.png"), f"{name}.xml")


def sides(run: RunDir) -> dict[str, list[str]]:
    split = json.loads(run.split.read_text())
    return {side: [page["page"] for page in split[side]] for side in NAMES}


@pytest.fixture
def made(experiment: list[str]) -> Plans:
    """The plan itself."""
    return lambda *words: make_plan(compose_experiment(changed(experiment, words)))


@pytest.mark.parametrize("word", ["name", "prefix", "last", "folder", "file"])
def test_pages_keep_the_sides_of_a_run(word: str, plan: Call, made: Plans, planned: Runs, pages: Path) -> None:
    run = planned("split.seed=3")
    shutil.copy(run.split, "mine.json")
    words = {"name": run.name, "prefix": run.name[:8], "last": "last", "folder": str(run.path), "file": "mine.json"}
    first = pages / "f01.xml"
    first.write_text(first.read_text().replace("linea", "línea"))
    new_page(pages)
    found = made("split=of_run", f"split.run={words[word]}").split
    assert {side: [name for name in found.pages[side] if name != "new.xml"] for side in NAMES} == sides(run)
    assert found.unused == ()
    said = plan("split=of_run", f"split.run={words[word]}")
    assert said.code == 0, said.err
    name = "mine.json" if word == "file" else f"run {run.name}"
    assert f"1 page not in {name}: 1 in " in " ".join(said.out.split())


def test_the_content_of_the_split_decides_the_key(made: Plans, planned: Runs) -> None:
    run = planned("split.seed=3")
    shutil.copy(run.split, "mine.json")
    assert made("split=of_run", "split.run=mine.json").key == run.key
    split = json.loads(run.split.read_text())
    split["test"], split["validation"] = split["validation"], split["test"]
    Path("mine.json").write_text(json.dumps(split))
    assert made("split=of_run", "split.run=mine.json").key != run.key


def test_a_page_that_is_gone_stops_the_plan_unless_it_is_left_out(
    plan: Call, made: Plans, planned: Runs, pages: Path
) -> None:
    run = planned()
    gone = sides(run)["train"][0]
    (pages / gone).unlink()
    said = plan("split=of_run", "split.run=last")
    assert said.code == 2
    assert f"{gone} (train)" in said.err
    assert "split.gone=leave_out" in said.err
    found = made("split=of_run", "split.run=last", "split.gone=leave_out").split
    assert found.pages["validation"] == tuple(sides(run)["validation"])
    assert len(found.pages["train"]) == 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["split=of_run"], "split=of_run needs split.run=RUN"),
        (["split=of_run", "split.run=nowhere"], "split.run=nowhere: there is no such run"),
        (["split.run=last"], "split.run=last changes nothing with split.kind=drawn; choose split=of_run to use it"),
        (["split.gone=leave_out"], "split.gone=leave_out changes nothing with"),
        (["split=of_run", "split.run=last", "split.gone=never"], "split.gone=never"),
        (["split=of_run", "split.run=last", "split.stratify=folder"], "split.stratify=folder changes nothing with split=of_run"),
        (["split.order_seed=2"], "split.order_seed=2 changes nothing with split.train_pages=null"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_as_typed(words: list[str], expected: str, plan: Call, planned: Runs) -> None:
    planned()
    said = plan(*words)
    assert said.code == 2
    assert expected in " ".join(said.err.split())


def test_a_split_that_was_changed_in_its_run_is_refused(plan: Call, planned: Runs) -> None:
    run = planned()
    run.split.write_text(run.split.read_text().replace("f01", "f09"))
    said = plan("split=of_run", "split.run=last")
    assert said.code == 2
    assert "is not as the run wrote it" in said.err


def test_the_plan_and_the_check_say_what_moved(made: Plans, planned: Runs, check: Call, pages: Path) -> None:
    run = planned()
    before = {name: side for side, names in sides(run).items() for name in names}
    for number in range(30):
        new_page(pages, f"new{number}")
        found = made()
        after = {name: side for side, names in found.split.pages.items() for name in names}
        moved = [(name, side, after[name]) for name, side in sorted(before.items()) if after[name] != side]
        said = [warning for warning in found.warnings if "changed the side" in warning]
        assert bool(said) == bool(moved)
        if moved:
            break
    else:
        pytest.fail("no page moved")
    assert said[0].startswith(f"since run {run.name} ")
    assert all(f"{name} from {then} to {now}" in said[0] for name, then, now in moved)
    assert f"split=of_run split.run={run.name}" in said[0]
    since = check(pages, "--since", "last", "split.validation=0.5", "--json").json["since"]
    assert since["pages_moved"] == [list(move) for move in moved]
    words = check(pages, "--since", "last").out
    assert f"{len(moved)} page" in words
    assert f"moved: {moved[0][0]}: from {moved[0][1]} to {moved[0][2]}" in words
    assert f"split=of_run split.run={run.name}" in " ".join(words.split())


@pytest.mark.parametrize("word", [None, "page"])
def test_new_pages_stay_with_the_groups_that_the_run_kept_together(
    word: str | None, planned: Runs, made: Plans, pages: Path
) -> None:
    """Also through a run that took the groups from another one; `split.by` may say otherwise."""
    for number, path in enumerate(sorted(pages.glob("*.xml"))):
        folder = pages / f"folder {number % 3}"
        folder.mkdir(exist_ok=True)
        path.with_suffix(".png").rename(folder / f"{path.stem}.png")
        path.rename(folder / path.name)
    first = planned("split=by_folder", "split.validation=0.3", "split.test=0.3")
    second = planned("split=of_run", f"split.run={first.name}", "seed=2")
    assert (first.facts()["split"]["by"], second.facts()["split"]["by"]) == ("folder", "folder")
    for number in range(9):
        new_page(pages / f"folder {number % 3}", f"new{number}")
    found = made("split=of_run", f"split.run={second.name}", *([f"split.by={word}"] if word else [])).split
    sides = {name: side for side in NAMES for name in found.pages[side]}
    whole = all(len({side for name, side in sides.items() if name.startswith(f"folder {n}/")}) == 1 for n in range(3))
    assert whole is (word is None)


def test_a_column_by_which_the_run_kept_pages_together_and_that_is_not_there_is_said(
    plan: Call, planned: Runs, pages: Path, workspace: Path
) -> None:
    rows = "".join(f"{path.name},{'ABC'[number % 3]}\n" for number, path in enumerate(sorted(pages.glob("*.xml"))))
    (workspace / "hands.csv").write_text(f"page,hand\n{rows}")
    run = planned("split=by_hand", "dataset.metadata=hands.csv", "split.validation=0.3", "split.test=0.3")
    said = plan("split=of_run", f"split.run={run.name}")
    assert said.code == 2
    assert f"split.by=hand (as in run {run.name}): " in " ".join(said.err.split())
    assert plan("split=of_run", f"split.run={run.name}", "dataset.metadata=hands.csv").code == 0
