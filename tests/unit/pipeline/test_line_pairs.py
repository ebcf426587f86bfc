"""A run on line pairs: kraken is given the user's own pictures, pages stay whole, and what says nothing of pairs is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.made_up_texts import page as text_of
from helpers.page_files import put_pair
from helpers.whole_runs import do
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ChangedError, ConfigError, DatasetError
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.pipeline import run_inputs
from htr_exp.pipeline.plan import Plan, make_plan
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.runs.run_dir import RunDir

pytestmark = pytest.mark.seconds

PAGES, LINES = 6, 4


def put_pairs(folder: Path, named: Callable[[int, int], str] = lambda page, line: f"p{page}_l{line}.png") -> Path:
    for page in range(1, PAGES + 1):
        words = text_of(page).split()
        for line in range(1, LINES + 1):
            put_pair(folder, named(page, line), " ".join(words[6 * line : 6 * line + 6]), shade=10 * page + line)
    return folder


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """The dataset of `experiment`: six pages of four line pairs."""
    return put_pairs(tmp_path / "lines")


def plan(words: list[str]) -> Plan:
    return make_plan(compose_experiment(words))


def said(words: list[str]) -> str:
    with pytest.raises((ConfigError, DatasetError)) as refused:
        plan(words)
    return str(refused.value)


@pytest.mark.parametrize("release", ["7.1.1", "4.3.13"])
def test_a_run_on_pairs_is_done(
    release: str, planned: Callable[..., RunDir], scenario, fake_kraken4: Path, pages: Path
) -> None:
    run = planned(*([f"runtime.ketos={fake_kraken4}"] if release == "4.3.13" else []))
    assert do(run).state == "done"
    test = read_json(run.results)["test"]
    assert test["best"]["lines"] == LINES
    assert test["best"]["cer"] < test["base"]["cer"]
    rows = read_jsonl(run.predictions / "test.jsonl")
    (page,) = read_json(run.split)["test"]
    assert [row["line"] for row in rows] == page["line_ids"]
    for row in rows:
        assert row["reference"] == (pages / row["line"]).with_suffix(".gt.txt").read_text().strip()
    for call in scenario.calls("compile"):
        assert call[call.index("-f") + 1] == "path"
    assert not run.new_pairs.exists()
    assert not run.new_predictions.exists()
    pictures = read_jsonl(run.pictures)
    assert pictures
    assert all("jpeg" in one for one in pictures if one["line"] is not None)


def test_kraken_sees_the_users_own_pictures(planned: Callable[..., RunDir], scenario, pages: Path) -> None:
    run = planned()
    scenario.play(fail="compile")  # what it was given stays
    assert do(run).state == "failed"
    seen = sorted(one for one in run.new_pairs.iterdir() if one.is_symlink())
    split = read_json(run.split)
    assert len(seen) == LINES * len(split["train"])
    assert {os.readlink(one) for one in seen} == {
        str(pages / line) for page in split["train"] for line in page["line_ids"]
    }
    for one in seen:
        text = one.with_name(f"{one.stem}.gt.txt").read_text(encoding="utf-8")
        assert f"{text}\n" == Path(os.readlink(one)).with_suffix(".gt.txt").read_text()


def test_pages_stay_whole_and_are_named_in_the_record(planned: Callable[..., RunDir]) -> None:
    run = planned()
    split = read_json(run.split)
    sides = [page for side in ("train", "validation", "test") for page in split[side]]
    assert sorted(page["page"] for page in sides) == [f"p{number}" for number in range(1, PAGES + 1)]
    for page in sides:
        assert page["image"] == f"{page['page']}_l1.png"
        assert page["line_ids"] == [f"{page['page']}_l{line}.png" for line in range(1, LINES + 1)]
    assert run.facts()["dataset"]["format"] == "line_pairs"
    assert RunInputs(run).of_line_pairs


def test_a_picture_that_changed_stops_the_run(planned: Callable[..., RunDir], pages: Path) -> None:
    run = planned()
    RunInputs(run).verify()
    (page,) = read_json(run.split)["test"]
    changed = pages / page["line_ids"][2]
    put_pair(pages, changed.name, "whatever", shade=250)
    for check in (RunInputs(run).verify, lambda: RunInputs(run).unchanged(RunInputs(run).pages("test"))):
        with pytest.raises((DatasetError, ChangedError)) as refused:
            check()
        assert f"{changed}: {run_inputs.IMAGE_CHANGED}" in str(refused.value)


def test_a_record_of_other_pictures_is_refused(planned: Callable[..., RunDir]) -> None:
    run = planned()
    places = read_json(run.places)
    lines = places["pages"]["p1"]["lines"]
    places["pages"]["p1"]["lines"] = [lines[1], lines[0], *lines[2:]]
    run.places.write_text(json.dumps(places), encoding="utf-8")
    with pytest.raises(DatasetError, match="other pictures of p1"):
        RunInputs(run).verify()


def test_the_archive_has_the_texts_and_says_where_the_pictures_are(planned: Callable[..., RunDir], pages: Path) -> None:
    run = planned()
    with tarfile.open(fileobj=io.BytesIO(run.page_archive.read_bytes())) as archive:
        links = {one.name: one.linkname for one in archive if one.issym()}
        assert len(links) == PAGES * LINES
        for name, target in links.items():
            text = archive.extractfile(name.split(".")[0] + ".gt.txt").read().decode()
            assert f"{text}\n" == (pages / target.removeprefix("images/")).with_suffix(".gt.txt").read_text()
        listed = archive.extractfile("pages/train.pages").read().decode().split()
        assert {f"pages/{one}" for one in listed} <= links.keys()
    commands = run.commands.read_text(encoding="utf-8")
    assert "compile -f path" in commands
    assert "--no-segmentation" in commands


def test_evaluate_reads_pairs(experiment: list[str]) -> None:
    words = [word for word in experiment if not word.startswith(("split.", "training.quit", "training.epochs"))]
    made = make_plan(compose_experiment(words), evaluate=True)
    assert len(made.split.pages["test"]) == PAGES


def test_a_column_says_the_page_and_another_the_group(experiment: list[str], tmp_path: Path) -> None:
    put_pairs(tmp_path / "flat", lambda page, line: f"{page * 10 + line:06d}.png")
    table = tmp_path / "lines.csv"
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["page", "leaf", "book"])
        for page in range(1, PAGES + 1):
            for line in range(1, LINES + 1):
                writer.writerow([f"{page * 10 + line:06d}.png", f"fol. {page}", f"b{(page + 1) // 2}"])
    words = [*experiment[1:], f"dataset.path={tmp_path / 'flat'}"]
    told = said(words)
    assert "24 line images" in told
    assert "dataset.page_of_line=COLUMN" in told
    told = said([*words, "dataset.page_of_line=leaf"])
    assert "dataset.page_of_line=leaf" in told
    assert "add dataset.metadata=FILE" in told
    assert "its columns are leaf, book" in said([*words, f"dataset.metadata={table}", "dataset.page_of_line=sheet"])
    made = plan([*words, f"dataset.metadata={table}", "dataset.page_of_line=leaf", "split.by=book"])
    sides = {side: {int(name.split()[1]) for name in names} for side, names in made.split.pages.items()}
    assert {len(pages) for pages in sides.values()} == {2}
    assert {frozenset(pages) for pages in sides.values()} == {frozenset({1, 2}), frozenset({3, 4}), frozenset({5, 6})}
    table.write_text(
        table.read_text(encoding="utf-8").replace("000011.png,fol. 1,b1", "000011.png,fol. 1,b9"), encoding="utf-8"
    )
    told = said([*words, f"dataset.metadata={table}", "dataset.page_of_line=leaf", "split.by=book"])
    assert "fol. 1 has no value in column book, or its lines have several" in told


def test_each_folder_may_be_a_page(experiment: list[str], tmp_path: Path) -> None:
    put_pairs(tmp_path / "book", lambda page, line: f"leaf {page}/{line}.png")
    made = plan([*experiment[1:], f"dataset.path={tmp_path / 'book'}", "dataset.page_of_line=folder"])
    assert sorted(page.name for page in made.dataset.pages) == [f"leaf {page}" for page in range(1, PAGES + 1)]


def test_a_picture_on_two_pages_keeps_them_on_one_side(experiment: list[str], pages: Path) -> None:
    shared = (pages / "p1_l2.png").read_bytes()
    (pages / "p5_l3.png").write_bytes(shared)
    made = plan(experiment)
    side = {name: side for side, names in made.split.pages.items() for name in names}
    assert side["p1"] == side["p5"]
    assert any("p1_l2.png and p5_l3.png have the same bytes" in note for note in made.split.notes)


def test_what_says_nothing_of_pairs_or_of_pages_is_refused(
    experiment: list[str], pages: Path, base_segmenter: Path
) -> None:
    assert "training.legacy_polygons=true has no effect" in said([*experiment, "training.legacy_polygons=true"])
    words = [word for word in experiment if not word.startswith(("split.", "training.quit", "training.epochs"))]
    with pytest.raises(ConfigError, match="segmentation_model has no effect: the dataset is line pairs"):
        make_plan(
            compose_experiment([*words, f"segmentation_model.path={base_segmenter}", "segmentation_model=file"]),
            evaluate=True,
        )
    assert "XML" in said([*experiment, "dataset.format=xml"])
    assert "dataset.format=pairs" in said([*experiment, "dataset.format=pairs"])
