"""What segmentation does at each stage of a job: train on whole pages, find their layout, score what was found."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from htr_exp.config.schema import SegmentationScores
from htr_exp.core.errors import DatasetError, TrainingError
from htr_exp.core.file_cache import Stamp
from htr_exp.core.files import make_folder, read_json, write_json
from htr_exp.core.task import SEGMENTATION, Epoch
from htr_exp.groundtruth.xml import read_page
from htr_exp.kraken.class_names import relabel
from htr_exp.kraken.commands import segment_command
from htr_exp.kraken.legs import BEST_KEPT
from htr_exp.pipeline import training
from htr_exp.pipeline.stages import Stages
from htr_exp.runs.records import PageRecord, Results
from htr_exp.scoring.layout import score as scoring_layout_score
from htr_exp.scoring.layout.model import Layout, PagePair
from htr_exp.scoring.layout.overlay import draw_overlay
from htr_exp.scoring.layout.relations import relate
from htr_exp.scoring.layout.score import score_pages


class Segmentation(Stages):
    """The stages of a segmentation run."""

    task = SEGMENTATION
    doing = "segmenting"
    suffix = ".xml"
    prepares = False  # kraken trains on the staged pages themselves

    @property
    def _scores(self) -> SegmentationScores:
        return cast("SegmentationScores", self._inputs.experiment.scores)

    @property
    def _by_line_f1(self) -> bool:
        return self._scores.best_by == "line_f1"

    def _training_files(self) -> training.TrainingFiles:
        return {
            "train": self._run.page_list("train"),
            "validation": self._run.page_list("validation"),
            "classes": self._run.classes,
            "keep": BEST_KEPT if self._by_line_f1 else 1,
        }

    def _look_at_training_data(self) -> list[Stamp]:
        return self._inputs.unchanged(self._inputs.pages("train", "validation"))

    def convert(self) -> None:
        """Keep the best epoch's weights as best.mlmodel: by kraken's mean IoU, or by our line F1 on the validation pages."""
        if self._by_line_f1:
            self._choose()
            return
        super().convert()

    def _choose(self) -> None:
        """Score the epochs that kraken kept on the validation pages, and keep the model of the best; of equals the earlier."""
        folder = self._run.candidates
        folder.mkdir(exist_ok=True)
        settings, version = self._inputs.experiment.training, self._inputs.kraken.version
        records = training.kept_epochs(self._run, settings, version, self.task, BEST_KEPT)
        pages = self._inputs.pages("validation")
        chosen = (
            read_json(self._run.chosen_epoch)
            if self._run.chosen_epoch.exists() and self._run.best.exists()
            else {"candidates": []}
        )
        if [one["epoch"] for one in chosen["candidates"]] == [record["epoch"] for record in records]:
            return
        found = []
        for record in records:
            model = folder / f"epoch-{record['epoch']:04d}.mlmodel"
            if not model.exists():
                self._take_weights(record, model)
            self._observer.note(f"scores epoch {record['epoch']} on the validation pages")
            self._predict({"best": model}, pages)
            figure = score_pages(self._pairs(pages, self._inputs.digest(model))).to_json()["line_f1"]
            found.append({"epoch": record["epoch"], "line_f1": figure})
        best = max(found, key=lambda one: (one["line_f1"], -one["epoch"]))
        os.replace(folder / f"epoch-{best['epoch']:04d}.mlmodel", self._run.best)
        write_json(self._run.chosen_epoch, {"epoch": best["epoch"], "candidates": found})
        shutil.rmtree(folder, ignore_errors=True)

    def _best(self) -> Epoch:
        if self._by_line_f1 and self._run.chosen_epoch.exists():
            epoch = read_json(self._run.chosen_epoch)["epoch"]
            return next(record for record in self._run.epochs() if record["epoch"] == epoch)
        return super()._best()

    def _correct(self, model: Path) -> None:
        if self._inputs.kraken.release == "7.1":
            relabel(model, self._inputs.facts["classes"]["numbers"])

    def _prediction_key(self) -> dict[str, str | int]:
        return {"task": self.task.name, "text_direction": str(self._scores.text_direction)}

    def _prediction_command(self, model: Path, pages: Sequence[tuple[PageRecord, Path]]) -> list[str]:
        return segment_command(
            self._inputs.kraken.version,
            pages=[(str(self._inputs.image(page)), str(output)) for page, output in pages],
            model=str(model),
            device=self._inputs.device,
            precision=self._inputs.experiment.training.precision,
            threads=self._inputs.experiment.training.threads,
            text_direction=self._scores.text_direction,
        )

    def _take_prediction(self, page: PageRecord, output: Path, target: Path) -> None:
        try:
            read_page(output)
        except DatasetError:
            raise TrainingError(f"kraken could not segment {page['page']}: see {self._run.log}") from None
        os.replace(output, target)

    def _score(self, outcome: training.Outcome | None) -> None:
        results: Results = {}
        for side in ("test", "validation"):
            known = self._inputs.split[side] if side in self._inputs.held_out else []
            pages = sorted(known, key=lambda page: str(page["page"]))
            pairs = {name: self._pairs(pages, digest) for name, digest in self._inputs.digests.items() if pages}
            scores = {name: score_pages(of) for name, of in pairs.items()}
            results[side] = {
                name: scores[name].to_json(per_page=True) if name in scores else None for name in self._inputs.scored
            }
            if pages:
                self._run.write_predictions(side, self._rows(pairs))
        results |= self._common_results(outcome)
        if outcome is not None and self._by_line_f1:
            results["candidates"] = read_json(self._run.chosen_epoch)["candidates"]
        self._draw()
        self._confirm_inputs()
        self._run.confirm()
        write_json(self._run.results, results)

    def _pairs(self, pages: Sequence[PageRecord], digest: str) -> list[PagePair]:
        return [PagePair(page["page"], self._truth(page), _layout(self._predicted(digest, page))) for page in pages]

    def _truth(self, page: PageRecord) -> Layout:
        if page["page"] not in self._truths:
            self._truths[page["page"]] = _layout(self._inputs.staged(page))
        return self._truths[page["page"]]

    @cached_property
    def _truths(self) -> dict[str, Layout]:
        return {}

    def _rows(self, pairs: dict[str, list[PagePair]]) -> list[dict[str, Any]]:
        """A row for each page: its layout in the ground truth, and as each model found it."""
        rows: dict[str, dict[str, Any]] = {}
        for name, of in pairs.items():
            for pair in of:
                known = {"page": pair.page, "reference": _written(pair.reference)}
                row = rows.setdefault(pair.page, known | dict.fromkeys(self._inputs.scored))
                row[name] = _written(pair.hypothesis)
        return list(rows.values())

    def _draw(self) -> None:
        """Draw the worst pages: of the test, where there is none of the validation."""
        from PIL import ImageOps

        from htr_exp.groundtruth.image_file import opened_image
        from htr_exp.groundtruth.image_header import KRAKEN_PIXELS

        count = self._scores.pictures
        tested = self._inputs.split["test"] if "test" in self._inputs.held_out else []
        pages = tested or self._inputs.split["validation"]
        folder = self._run.overlays
        shutil.rmtree(folder, ignore_errors=True)
        if not count or not pages:
            return
        make_folder(folder, below=self._run.path)
        name, digest = list(self._inputs.digests.items())[-1]
        pairs = {pair.page: pair for pair in self._pairs(pages, digest)}
        worst = scoring_layout_score.worst(score_pages(pairs.values()), count)
        places = {page["page"]: self._inputs.image(page) for page in pages}
        for number, page in enumerate(worst, 1):
            self._observer.advance(number, len(worst), "picture")
            pair = pairs[page]
            with open(places[page], "rb") as file, opened_image(file, most_pixels=KRAKEN_PIXELS) as image:
                upright = ImageOps.exif_transpose(image) if self._inputs.kraken.release == "7.1" else image
                drawn = draw_overlay(upright, pair, relate(pair.reference.lines, pair.hypothesis.lines))
            stem = re.sub(r"[^\w.-]+", "_", page.removesuffix(".xml"))[-80:]
            drawn.save(folder / f"{number:02d}-{stem}-{name}.jpg", quality=85)


def _layout(path: Path) -> Layout:
    """The layout that a page file holds; regions without a shape hold lines together and nothing else."""
    page = read_page(path)
    return Layout(page.lines, tuple(region for region in page.regions if region.polygon))


def _written(found: Layout) -> dict[str, Any]:
    return {
        "lines": [{"type": line.type, "baseline": line.baseline} for line in found.lines],
        "regions": [{"type": region.type, "polygon": region.polygon} for region in found.regions],
    }
