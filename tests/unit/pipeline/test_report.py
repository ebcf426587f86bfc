"""The report of a run: made as the last stage, of the sealed files, and never a reason to fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.reports import Page, page_of
from helpers.segmentation_runs import Planned
from helpers.whole_runs import Quiet, do
from htr_exp.config.compose import compose_experiment
from htr_exp.core import files
from htr_exp.core.signals import Stop
from htr_exp.pipeline import run as pipeline_run
from htr_exp.pipeline.plan import make_plan
from htr_exp.pipeline.run import run_stages
from htr_exp.pipeline.write import write_run
from htr_exp.report.page import report_of
from htr_exp.report.pictures import keep_pictures
from htr_exp.runs import seals
from htr_exp.runs.run_dir import RunDir


def test_a_run_ends_with_its_report(planned: Callable[..., RunDir], tmp_path: Path) -> None:
    run, heard = planned(), Quiet()
    assert run_stages(run, stop=Stop(), observer=heard).state == "done"
    assert heard.stages[-2:] == ["score", "report"]
    page = Page(run.report.read_bytes())
    result = files.read_json(run.results)["test"]
    counts = (
        f"{result['base']['errors']} → {result['best']['errors']} errors in {result['best']['characters']} characters"
    )
    assert counts in page.text
    assert len(page.pictures()) == 3 + 6  # lines of the test page, and all pages
    assert "test: 1 page, 3 lines" in page.text
    assert run.broken_seals(every_digest=True) == []
    assert {run.pictures.name, run.report.name} & seals.names(run.results_manifest) == {run.pictures.name}
    # without the images, and in another place, it is made anew to the same bytes
    shutil.rmtree(Path(files.read_json(run.places)["cache"]))
    shutil.rmtree(Path(files.read_json(run.places)["pages"].popitem()[1]["image"]).parent)
    moved = RunDir(Path(shutil.move(run.path, tmp_path / "moved")))
    assert report_of(moved) == moved.report.read_bytes()


def test_an_evaluation_has_a_report_too(planned: Callable[..., RunDir], experiment: list[str]) -> None:
    words = [word for word in experiment if not word.startswith(("training.quit", "training.epochs", "split."))]
    run = write_run(make_plan(compose_experiment(words), evaluate=True), command=["htr_exp", "evaluate"])[0]
    assert do(run).state == "done"
    page = Page(run.report.read_bytes())
    assert "Nothing was trained" in page.text
    assert "test: 6 pages, 18 lines" in page.text


def test_a_segmentation_shows_its_overlays(either: Planned) -> None:
    run = either()
    assert do(run).state == "done"
    page = page_of(run.path)
    assert run.report.read_bytes() == page.html.encode()
    overlays = page.all("img", alt="the page with the lines that were found")
    assert len(overlays) == len(list(run.overlays.iterdir())) > 0
    named = page.section("The worst pages" if len(overlays) > 1 else "The worst page").split()
    assert set(named) <= {one["page"].removesuffix(".xml") for one in run.needed(run.split)["test"]}
    assert "lines found" in page.section("")
    assert "Mean IoU on the validation pages, epoch by epoch" in page.section("Training")
    assert "By page" in page.sections


@pytest.mark.parametrize("what", ["keep_pictures", "wanted_pictures", "write_report"])
def test_a_report_that_cannot_be_made_fails_no_run(
    what: str, planned: Callable[..., RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_options: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(pipeline_run, what, broken)
    run = planned()
    assert do(run).state == "done"
    assert run.broken_seals(every_digest=True) == []
    part = "the report" if what == "write_report" else "the pictures of the report"
    assert f"{part} could not be made (RuntimeError: a defect); the scores are as they should be" in run.log.read_text()
    assert run.report.exists() == (what != "write_report")
    if what != "write_report":
        assert "There are no pictures" in Page(run.report.read_bytes()).text


def test_images_that_cannot_be_read_any_more_are_said(
    planned: Callable[..., RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = keep_pictures

    def gone(run: RunDir, *args: Any, **options: Any) -> None:
        for place in files.read_json(run.places)["pages"].values():
            os.unlink(place["image"])
        real(run, *args, **options)

    monkeypatch.setattr(pipeline_run, "keep_pictures", gone)
    run = planned()
    assert do(run).state == "done"
    page = Page(run.report.read_bytes())
    assert page.pictures() == []
    assert "No such file or directory" in page.text


def test_nobody_stops_a_run_that_makes_its_report(planned: Callable[..., RunDir]) -> None:
    run, stop = planned(), Stop()

    class Late(Quiet):
        def stage(self, name: str) -> None:
            if name == "report":
                stop.asked = "terminated"

    assert run_stages(run, stop=stop, observer=Late()).state == "done"
    assert run.report.exists()


def test_a_run_that_is_scored_anew_has_no_report_of_before(planned: Callable[..., RunDir], scenario: Any) -> None:
    scenario.play(epoch_seconds=0.4)
    run = planned("training.epochs=6", "training.leg_epochs=0")
    assert do(run, word="user").state == "stopped"
    before = run.report.read_bytes()
    assert b"stopped by its user" in before
    stop = Stop()

    class Ends(Quiet):
        def stage(self, name: str) -> None:
            if name == "train":
                assert not run.report.exists()
                stop.asked = "terminated"

    assert run_stages(run, stop=stop, observer=Ends()).state == "interrupted"
    assert not run.report.exists()
    scenario.play()
    assert do(run).state == "done"
    assert run.report.read_bytes() != before
