"""Folds as a sweep, end to end with the fake kraken: each fold is a run of its own, and says which."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers.command_line import CommandLine
from helpers.page_files import make_pages
from helpers.sentences import sentences
from htr_exp.cli import start
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ConfigError
from htr_exp.pipeline.sources import Sources
from htr_exp.runs.run_dir import RunDir
from htr_exp.splits.split import NAMES
from htr_exp.tracking import run_view

AS_SHIPPED = "split.test=0.1"
"""A test set that is a fold takes no share: that of the small experiment is put back."""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Four folders of two pages; a and b have a page of one image each."""
    root = tmp_path / "book"
    for number, folder in enumerate("abcd"):
        make_pages(root / folder, pages=2, lines=2)
        for file in (root / folder).glob("*.png"):
            with Image.open(file) as image:
                image.putpixel((1, 0), number + 1)
                image.save(file)
        for file in (root / folder).glob("*.xml"):
            file.write_text(file.read_text().replace("in principio", f"{folder * 5} in principio"))
    shutil.copy(root / "a" / "f01.png", root / "b" / "f02.png")
    return root


def split_of(run: RunDir) -> dict[str, list[dict[str, Any]]]:
    split: dict[str, list[dict[str, Any]]] = json.loads(run.split.read_text(encoding="utf-8"))
    return split


def names(run: RunDir, side: str) -> set[str]:
    return {page["page"] for page in split_of(run)[side]}


def test_every_fold_is_a_run_and_every_page_is_tested_once(htr_exp: CommandLine) -> None:
    words = ("-m", "split=k_fold", "split.fold=all", "split.folds=3", AS_SHIPPED, "launch.jobs=2", "training.epochs=1")
    done = htr_exp.train(*words, "--json")
    assert done.code == 0, done.stderr
    runs = htr_exp.runs
    assert len(runs) == 3
    tested = [name for run in runs for name in names(run, "test")]
    assert sorted(tested) == [f"f0{number}.xml" for number in range(1, 7)]
    assert {run.facts()["split"]["fold"] for run in runs} == {f"fold {fold} of 3" for fold in (1, 2, 3)}
    rows = json.loads(htr_exp("compare", "--json").stdout)
    assert {row["fold"] for row in rows} == {f"fold {fold} of 3" for fold in (1, 2, 3)}
    assert {row["settings"]["split.fold"] for row in rows} == {"1", "2", "3"}
    table = htr_exp("compare").stdout
    assert "split.fold" in table
    # the same sweep again, or a fold alone, is what was done
    assert htr_exp.train(*words, "--json").code == 0
    alone = htr_exp.train("split=k_fold", "split.fold=2", "split.folds=3", AS_SHIPPED, "training.epochs=1", "--json")
    assert alone.code == 0, alone.stderr
    assert len(htr_exp.runs) == 3


def test_each_folder_is_left_out_and_every_page_says_why_it_is_where_it_is(htr_exp: CommandLine, book: Path) -> None:
    done = htr_exp.train(
        "-m", "split=leave_one_out", "split.fold=all", AS_SHIPPED, f"dataset.path={book}", "training.epochs=1", "launch.jobs=2"
    )  # fmt: skip
    assert done.code == 0, done.stderr
    runs = {run.facts()["split"]["fold"]: run for run in htr_exp.runs}
    assert set(runs) == {f"folder {folder} left out" for folder in "abcd"}
    left_out = split_of(runs["folder a left out"])
    assert [page["page"] for page in left_out["test"]] == ["a/f01.xml", "a/f02.xml"]
    (aside,) = left_out["unused"]
    assert (aside["page"], aside["why"]) == ("b/f02.xml", "unused: shares an image with test page a/f01.xml")
    assert aside["image_digest"] == left_out["test"][0]["image_digest"]
    assert aside["lines"] == 2
    for run in runs.values():
        pages = [page for side in (*NAMES, "unused") for page in split_of(run)[side]]
        assert len({page["page"] for page in pages}) == len(pages) == 8
        assert all(page["why"] and page["xml_digest"] and page["image_digest"] for page in pages)
        assert run.facts()["split"]["unused"]["pages"] == len(split_of(run)["unused"])
        assert run_view.read(run.path, htr_exp.folder).tags["htr_exp.fold"] == run.facts()["split"]["fold"]
    said = "split.fold=a: not used, since pages of test or validation share an image with them: b/f02.xml"
    assert said in done.stderr


def test_a_dry_run_says_which_fold_each_run_is(htr_exp: CommandLine) -> None:
    done = htr_exp.train("--dry-run", "-m", "split=k_fold", "split.fold=all", "split.folds=3", AS_SHIPPED)
    assert done.code == 0, done.stderr
    shown = [word for word in done.stdout.split() if word.startswith("fold=")]
    assert shown == ["fold=1", "fold=2", "fold=3"]


def test_a_learning_curve_is_nested(htr_exp: CommandLine) -> None:
    done = htr_exp.train("-m", "split.train_pages=1,2,4", "training.epochs=1", "launch.jobs=2")
    assert done.code == 0, done.stderr
    runs = sorted(htr_exp.runs, key=lambda run: len(names(run, "train")))
    assert [len(names(run, "train")) for run in runs] == [1, 2, 4]
    assert names(runs[0], "train") < names(runs[1], "train") < names(runs[2], "train")
    for side in ("validation", "test"):
        assert len({frozenset(names(run, side)) for run in runs}) == 1
    assert [len(names(run, "unused")) for run in runs] == [3, 2, 0]


def test_all_folds_in_one_run_are_refused_with_all_else_that_is_wrong(htr_exp: CommandLine) -> None:
    done = htr_exp.train("split=k_fold", "split.fold=all", AS_SHIPPED)
    assert done.code == 2
    assert "split.fold=all makes a run for every fold, which is a sweep: run `train -m ...`" in done.stderr
    done = htr_exp.train("-m", "split=leave_one_out", "split.fold=all", "split.by=hand", AS_SHIPPED, "training.lrate=0")
    assert done.code == 2
    assert "split.by=hand needs dataset.metadata=FILE, a table with columns page and hand" in done.stderr
    assert "training.lrate=0.0: it must be above 0" in done.stderr
    assert "train -m" not in done.stderr
    assert htr_exp.runs == []


Refused = Callable[..., list[str]]


@pytest.fixture
def refused(experiment: list[str]) -> Refused:
    """Plan the small experiment with changes, as a sweep; return why it is refused."""

    def problems(*changes: str) -> list[str]:
        keys = {change.partition("=")[0] for change in changes}
        words = [word for word in experiment if word.partition("=")[0] not in keys]
        point = compose_experiment([*words, *changes])
        with pytest.raises(ConfigError) as caught:
            start.planned([point], start.StartRequest("train", changes, sweep="s", json=True), Sources(fetch=False))
        return sentences(caught.value)

    return problems


def test_a_table_that_does_not_fit_is_refused_with_every_row(refused: Refused, workspace: Path) -> None:
    (workspace / "pages.csv").write_text("page,hand\nf01,A\nf02,\nf03,B\nf09,B\nf03.png,B\n")
    found = refused("split=by_hand", "dataset.metadata=pages.csv")
    assert [problem.rpartition("pages.csv:")[2] for problem in found] == [
        "5: page=f09: there is no such page with text",
        "6: page=f03.png: line 4 describes f03.xml already",
    ]
    (workspace / "pages.csv").write_text("page,hand\nf01,A\nf02,\nf03,B\n")
    found = refused("split=leave_one_out", "split.fold=all", "split.by=hand", AS_SHIPPED, "dataset.metadata=pages.csv")
    assert found == [
        "pages cannot be grouped by hand: pages.csv: f02.xml has no value in column hand",
        *(f"pages cannot be grouped by hand: pages.csv: it has no row for f0{number}.xml" for number in (4, 5, 6)),
    ]
    found = refused("split.stratify=hnad", "dataset.metadata=pages.csv")
    assert found == [
        "split.stratify=hnad: it is none of page, folder, image and no column of pages.csv (did you mean hand?); its columns are hand"
    ]


def test_a_table_of_hands_is_used(experiment: list[str], workspace: Path) -> None:
    hands = "AABBBC"
    rows = "".join(f"f0{number + 1};{hand};x\r\n" for number, hand in enumerate(hands))
    (workspace / "Feuilles éditées.csv").write_text("\ufefffolio;hand;note\r\n" + rows, encoding="utf-8")
    words = ["split=leave_one_out", "split.by=hand", "split.fold=all", AS_SHIPPED, "dataset.page_column=folio",
             "dataset.metadata=Feuilles éditées.csv"]  # fmt: skip
    kept = [word for word in experiment if not word.startswith("split.test")]
    point = compose_experiment([*kept, *words])
    (plans,) = start.planned([point], start.StartRequest("train", words, sweep="s", json=True), Sources(fetch=False))
    assert [(plan.split.fold, len(plan.split.pages["test"])) for plan in plans] == [
        ("hand A left out", 2), ("hand B left out", 3), ("hand C left out", 1),
    ]  # fmt: skip
    assert [plan.experiment.split.fold for plan in plans] == ["A", "B", "C"]
    assert [plan.composed.values["split"]["fold"] for plan in plans] == ["A", "B", "C"]
    assert len({plan.key for plan in plans}) == 3


def test_a_sweeper_that_learns_gets_the_mean_of_the_folds(
    experiment: list[str], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`started` is a stand-in: it would train; here each run scores its place in the list."""
    kept = [word for word in experiment if not word.startswith("split.test")]
    points = [
        compose_experiment([*kept, "split=k_fold", "split.folds=3", f"split.fold={fold}", f"seed={seed}"])
        for fold, seed in (("all", 1), ("2", 2), ("all", 3))
    ]
    monkeypatch.setattr(start, "started", lambda ready, request: (0, [float(number) for number in range(len(ready))]))
    code, values = start.start_runs(points, start.StartRequest("train", [], sweep="s", json=True))
    assert (code, values) == (0, [1.0, 3.0, 5.0])
    monkeypatch.setattr(start, "started", lambda ready, request: (0, [None, *[0.5] * (len(ready) - 1)]))
    assert start.start_runs(points, start.StartRequest("train", [], sweep="s", json=True))[1] == [None, 0.5, 0.5]
