"""Segmentation with the real kraken on real pages: blla fine-tuned, a small network killed and resumed, classes called by their names."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from PIL import Image

from helpers.real_pages import ALTO, PAGE, copy_pages, lists, narrow_pages
from helpers.real_training import CPU, interrupt, needs_kraken, result, run_to_end
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.kraken.class_names import known_classes
from htr_exp.kraken.model_file import read_header
from htr_exp.runs.selection import runs_in

pytestmark = [
    pytest.mark.kraken,
    pytest.mark.slow(minutes=3),
    needs_kraken,
]

SEGMENTATION = ("train", "task=segmentation", *CPU)


def test_blla_is_fine_tuned_and_both_models_are_scored_on_the_same_pages(real_data: Path, tmp_path: Path) -> None:
    pages = narrow_pages(real_data / PAGE, tmp_path / "pages", 3)
    words = [
        *SEGMENTATION,
        f"dataset.path={pages}",
        "model=blla",
        "training.quit=fixed",
        "training.epochs=1",
        *lists(pages, 1),
    ]
    run = run_to_end(tmp_path, *words)
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


def test_a_small_network_is_killed_twice_and_every_epoch_is_trained_once(real_data: Path, tmp_path: Path) -> None:
    pages = copy_pages(real_data / ALTO, tmp_path / "pages", 5)
    words = [
        *SEGMENTATION, f"dataset.path={pages}", "model=none", "architecture=small_segmentation", "architecture.spec=[1,240,0,3 Cr7,7,16,2,2 Gn4 Cr3,3,16,2,2 Gn4 Lbx8 Lby8]",
        "training.lrate=0.01", "training.quit=fixed", "training.epochs=6", *lists(pages, 3),
    ]  # fmt: skip
    for number, epochs in ((signal.SIGKILL, 1), (signal.SIGTERM, 2)):
        interrupt(tmp_path, number, *words, epochs=epochs)
    run = run_to_end(tmp_path, *words)
    assert [record["epoch"] for record in run.epochs()] == list(range(1, 7))
    assert len(runs_in(tmp_path / "runs")) == 1
    classes = run.facts()["classes"]["numbers"]
    assert known_classes(read_header(run.best)) == classes
    assert len(classes["regions"]) > 1


def test_classes_that_are_new_to_the_base_model_are_called_by_their_names(tmp_path: Path) -> None:
    """Red blocks with black lines, blue ones with green lines: kraken 7.1.1 by itself calls them the other way round."""
    pages = coloured_pages(tmp_path / "pages", 6)
    spec = "architecture.spec=[1,240,0,3 Cr7,7,16,2,2 Gn4 Cr3,3,16,2,2 Gn4 Lbx8 Lby8 Cr1,1,16 Gn4]"
    words = [
        *SEGMENTATION, f"dataset.path={pages}", "training.lrate=0.01", "training.quit=fixed", "scores.pictures=0",
        "leakage.accept=[near_image,base_model]", *lists(pages, 4),
    ]  # fmt: skip
    base = run_to_end(
        tmp_path, *words, "model=none", "architecture=small_segmentation", spec, "classes=blla", "training.epochs=2"
    )
    run = run_to_end(tmp_path, *words, f"model.path={base.best}", "training.epochs=25")
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
