"""Segmentation with the real kraken on real pages: blla fine-tuned, a small network killed and resumed, classes called by their names."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from helpers.real_training import ALTO, DATA, PAGE, copy_pages, lists, narrow_pages, result, train
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.kraken.class_names import known_classes
from htr_exp.kraken.model_file import read_header
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in

pytestmark = [
    pytest.mark.kraken,
    pytest.mark.slow,
    pytest.mark.skipif(DATA is None, reason="real ground truth is not here: set HTR_EXP_REAL_DATA to its folder"),
    pytest.mark.skipif(importlib.util.find_spec("kraken") is None, reason="kraken is not installed: `make install`"),
]


def test_blla_is_fine_tuned_and_both_models_are_scored_on_the_same_pages(tmp_path: Path) -> None:
    pages = narrow_pages(PAGE, tmp_path / "pages", 3)
    words = [f"dataset.path={pages}", "model=blla", "training.quit=fixed", "training.epochs=1", *lists(pages, 1)]
    run = train(tmp_path, *words)
    found = result(run)
    base, best = found["test"]["base"], found["test"]["best"]
    lines = read_json(run.split)["test"][0]["lines"]
    assert base["lines"] == best["lines"] == lines
    assert base["line_f1"] > 0.5  # blla knows such pages
    assert best["line_f1"] > 0.5
    assert best["lines_found"] + best["lines_missed"] == lines
    (record,) = run.epochs()
    assert 0 < record["val_mean_iu"] < 1
    assert 0 <= record["val_bl_f1"] <= 1
    assert known_classes(read_header(run.best)) == {"lines": {"default": 2}, "regions": {"text": 3}}
    (row,) = read_jsonl(run.predictions / "test.jsonl")
    assert len(row["reference"]["lines"]) == lines
    (picture,) = (run.predictions / "overlays").iterdir()
    with Image.open(picture) as drawn:
        assert max(drawn.size) <= 1600


def test_a_small_network_is_killed_twice_and_every_epoch_is_trained_once(tmp_path: Path) -> None:
    pages = copy_pages(ALTO, tmp_path / "pages", 5)
    words = [
        f"dataset.path={pages}", "model=none", "architecture=small_segmentation", "architecture.spec=[1,240,0,3 Cr7,7,16,2,2 Gn4 Cr3,3,16,2,2 Gn4 Lbx8 Lby8]",
        "training.lrate=0.01", "training.quit=fixed", "training.epochs=6", *lists(pages, 3),
    ]  # fmt: skip
    for number in (signal.SIGKILL, signal.SIGTERM):
        command = [
            sys.executable,
            "-m",
            "htr_exp",
            "train",
            "task=segmentation",
            "training.device=cpu",
            "tracking=none",
        ]
        process = subprocess.Popen([*command, *words], cwd=tmp_path, stdout=subprocess.DEVNULL)
        before = len(epochs_in(tmp_path))
        end = time.monotonic() + 600
        while len(epochs_in(tmp_path)) <= before and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(number)
        process.wait(120)
    run = train(tmp_path, *words)
    assert [record["epoch"] for record in run.epochs()] == list(range(6))
    assert len(runs_in(tmp_path / "runs")) == 1
    classes = run.facts()["classes"]["numbers"]
    assert known_classes(read_header(run.best)) == classes
    assert len(classes["regions"]) > 1


def epochs_in(place: Path) -> list[object]:
    runs = runs_in(place / "runs")
    return list(RunDir(runs[0].path).epochs()) if runs else []


def test_classes_that_are_new_to_the_base_model_are_called_by_their_names(tmp_path: Path) -> None:
    """Red blocks with black lines, blue ones with green lines: kraken 7.1.1 by itself calls them the other way round."""
    pages = coloured_pages(tmp_path / "pages", 6)
    spec = "architecture.spec=[1,240,0,3 Cr7,7,16,2,2 Gn4 Cr3,3,16,2,2 Gn4 Lbx8 Lby8 Cr1,1,16 Gn4]"
    words = [
        f"dataset.path={pages}", "training.lrate=0.01", "training.quit=fixed", "scores.pictures=0",
        "leakage.accept=[near_image,base_model]", *lists(pages, 4),
    ]  # fmt: skip
    base = train(
        tmp_path, *words, "model=none", "architecture=small_segmentation", spec, "classes=blla", "training.epochs=2"
    )
    run = train(tmp_path, *words, f"model.path={base.best}", "training.epochs=25")
    scores = result(run)["test"]["best"]["classes"]
    assert scores["regions"]["RED"]["iou"] > 0.5
    assert scores["regions"]["BLUE"]["iou"] > 0.5
    assert scores["lines"]["BLACK"]["recall"] > 0.5
    assert scores["lines"]["GREEN"]["recall"] > 0.5


def coloured_pages(folder: Path, count: int) -> Path:
    """Write pages with a red and a blue block, in changing places, and lines of a colour of their own in each."""
    from PIL import ImageDraw

    folder.mkdir()
    for number in range(count):
        image = Image.new("RGB", (360, 480), (240, 235, 220))
        draw = ImageDraw.Draw(image)
        regions = []
        for place, (name, colour, kind, ink) in enumerate(
            (("RED", (200, 40, 40), "BLACK", (0, 0, 0)), ("BLUE", (40, 60, 200), "GREEN", (30, 220, 60)))
        ):
            x, y = 20 + 13 * number % 60, 20 + (place + number) % 2 * 230 + 7 * number % 20
            box = (x, y, x + 240, y + 190)
            draw.rectangle(box, fill=colour)
            lines = []
            for row in range(3):
                at = y + 50 + 50 * row
                draw.line((x + 20, at, x + 220, at), fill=ink, width=6)
                lines.append(
                    f'<TextLine id="p{place}l{row}" custom="structure {{type:{kind};}}"><Coords points="{x + 20},{at - 15} {x + 220},{at - 15} {x + 220},{at + 8} '
                    f'{x + 20},{at + 8}"/><Baseline points="{x + 20},{at} {x + 220},{at}"/></TextLine>'
                )
            corners = f"{box[0]},{box[1]} {box[2]},{box[1]} {box[2]},{box[3]} {box[0]},{box[3]}"
            regions.append(
                f'<TextRegion id="r{place}" custom="structure {{type:{name};}}"><Coords points="{corners}"/>{"".join(lines)}</TextRegion>'
            )
        image.save(folder / f"{number}.png")
        (folder / f"{number}.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">'
            f'<Page imageFilename="{number}.png" imageWidth="360" imageHeight="480">{"".join(regions)}</Page></PcGts>'
        )
    return folder
