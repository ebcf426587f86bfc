"""What recognition does at each stage of a job: compile the lines, recognise them, score what was read."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from htr_exp.config.schema import RecognitionScores, RecognitionTraining
from htr_exp.core.errors import ChangedError, DatasetError, TrainingError
from htr_exp.core.file_cache import Stamp
from htr_exp.core.files import digest_json, make_folder, read_jsonl, write_json, write_jsonl
from htr_exp.core.lock import Locked, made_once
from htr_exp.core.signals import Interrupted
from htr_exp.core.task import RECOGNITION
from htr_exp.core.text import counted
from htr_exp.groundtruth.model import Line
from htr_exp.groundtruth.xml import read_page
from htr_exp.kraken.commands import compile_command, predict_command
from htr_exp.pipeline import cached, training
from htr_exp.pipeline.stages import Stages
from htr_exp.runs.records import FoldingRecord, Gain, PageRecord, Results
from htr_exp.scoring import conventions, intervals, parts, score_intervals
from htr_exp.scoring.folding import Folding
from htr_exp.scoring.lines import LinePair, Score, score
from htr_exp.scoring.pages import PageText, score_pages
from htr_exp.scoring.text_order import display_order, logical_order

SAID = {"id", "baseline", "text"}
"""What kraken says of a line, by our template."""


class Recognition(Stages):
    """The stages of a recognition run."""

    task = RECOGNITION
    doing = "recognising"
    suffix = ".jsonl"

    @property
    def _training(self) -> RecognitionTraining:
        return cast("RecognitionTraining", self._inputs.experiment.training)

    @property
    def _scores(self) -> RecognitionScores:
        return cast("RecognitionScores", self._inputs.experiment.scores)

    def prepare(self) -> None:
        """Compile each side of the split, unless the cache holds it.

        Raises:
            DatasetError: kraken took other lines than were staged.
            TrainingError: kraken failed.
            Interrupted: the job was told to stop.
        """
        for side, target in self._inputs.compiled().items():

            def make(aside: Path, side: str = side, target: Path = target) -> None:
                self._observer.note(f"compiles {counted(len(self._inputs.split[side]), 'page')} for {side}")
                pages = self._inputs.pages(side)
                reached = (0, sum(page["lines"] for page in pages))

                def bar(done: int, total: int) -> None:
                    nonlocal reached
                    reached = (done, total or reached[1])

                with self._compiling(side, aside) as command:
                    self._reading(
                        lambda: self._inputs.unchanged(pages),
                        lambda: self._call(command, "compiling", lambda: self._observer.advance(*reached, "line"), bar),
                    )
                if not aside.exists():
                    raise TrainingError(f"kraken compiled nothing for {side}: see {self._run.log}")
                self._compare_lines(aside, side)
                cached.seal(target, aside)

            if side != "test" and cached.was_changed(target) and self._run.epochs():
                self._forget_training(f"{target} is not what it was when it was trained on")
            self._say_changed([target])
            make_folder(target.parent, below=self._inputs.cache)
            try:
                made_once(target, make, is_there=cached.is_intact, wait=lambda owner: self._stop() is None)
            except Locked:
                raise Interrupted from None
            self._run.compiled_list(side).write_text(f"{target}\n", encoding="utf-8")

    @contextmanager
    def _compiling(self, side: str, output: Path) -> Iterator[list[str]]:
        """Kraken's command that compiles a side of the split; within, all that it reads is there."""
        yield compile_command(
            self._inputs.kraken.version,
            pages=str(self._run.page_list(side)),
            output=str(output),
            legacy_polygons=self._training.legacy_polygons,
        )

    def _compare_lines(self, compiled: Path, side: str) -> None:
        """Stop at the first page whose lines kraken did not take exactly as we staged them."""
        import pyarrow as pa

        texts: list[str] = []
        try:
            with pa.memory_map(str(compiled)) as source:
                reader = pa.ipc.open_file(source)
                for number in range(reader.num_record_batches):
                    texts += reader.get_batch(number).column("lines").field("text").to_pylist()
        except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"what kraken compiled for {side} cannot be read ({error}): see {self._run.log}"
            ) from None
        position = 0
        for page in self._inputs.pages(side):
            lines = read_page(self._inputs.staged(page)).lines
            found = texts[position : position + len(lines)]
            if [line.text for line in lines] != found:
                raise DatasetError(
                    f"{page['page']}: kraken took other lines from it than the {len(lines)} that are staged "
                    f"({len(texts)} of {counted(sum(one['lines'] for one in self._inputs.pages(side)), 'line')} of {side} were compiled): see {self._run.log}"
                )
            position += len(lines)
        if position != len(texts):
            raise DatasetError(f"kraken compiled {counted(len(texts), 'line')} for {side} where {position} are staged")

    def _training_files(self) -> training.TrainingFiles:
        return {"train": self._run.compiled_list("train"), "validation": self._run.compiled_list("validation")}

    def _look_at_training_data(self) -> list[Stamp]:
        stamps = []
        for file, sha256 in self._compiled_digests.items():
            stamp = self._inputs.files.look(file, sha256) if file.exists() else None
            if stamp is None:
                raise ChangedError(f"{file}: the compiled lines were changed; the same command makes them again")
            stamps.append(stamp)
        return stamps

    @cached_property
    def _compiled_digests(self) -> dict[Path, str]:
        """The compiled files that are trained on, as they were when they were compiled or found."""
        compiled = self._inputs.compiled()
        return {compiled[side]: cached.sealed_digest(compiled[side]) for side in ("train", "validation")}

    def _prediction_key(self) -> dict[str, str | int]:
        return {"pad": self._scores.pad}

    def _prediction_command(self, model: Path, pages: Sequence[tuple[PageRecord, Path]]) -> list[str]:
        return self._command(model, [(str(self._inputs.staged(page)), str(output)) for page, output in pages])

    def _command(self, model: Path, pages: Sequence[tuple[str, str]], segmenter: str | None = None) -> list[str]:
        return predict_command(
            self._inputs.kraken.version,
            pages=pages,
            model=str(model),
            template=str(self._run.template),
            device=self._inputs.device,
            precision=self._inputs.experiment.training.precision,
            threads=self._inputs.experiment.training.threads,
            pad=self._scores.pad,
            segmenter=segmenter,
            text_direction=self._scores.text_direction,
        )

    def _said(self, page: PageRecord, output: Path) -> list[dict[str, Any]]:
        """What kraken wrote of the lines of a page."""
        try:
            rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines() if line.strip()]
            if all(isinstance(row, dict) and row.keys() >= SAID for row in rows):
                return rows
        except (OSError, ValueError):
            pass
        raise TrainingError(f"kraken could not recognise {page['page']}: see {self._run.log}")

    def _take_prediction(self, page: PageRecord, output: Path, target: Path) -> None:
        rows = self._said(page, output)
        lines = read_page(self._inputs.staged(page)).lines
        if [row["id"] for row in rows] == [None] * len(lines):  # 4.3.13 forgets ids, and keeps order and baselines
            told = [[(round(x), round(y)) for x, y in row["baseline"]] for row in rows]
            same = told == [[(round(x), round(y)) for x, y in line.baseline] for line in lines]
        else:
            same = [row["id"] for row in rows] == page["line_ids"]
        if not same:
            raise TrainingError(
                f"{page['page']}: kraken recognised {counted(len(rows), 'line')} where {page['lines']} are staged, or others: see {self._run.log}"
            )
        write_jsonl(target, [{"line": line.id, "text": row["text"]} for line, row in zip(lines, rows)])

    def predict(self) -> None:
        """Recognise the held-out lines; with a segmentation model also those that it finds, from the images alone."""
        super().predict()
        if self._inputs.segmenter is not None:
            FoundLines(self._inputs, self._call, self._stop, self._observer).predict()

    def _score(self, outcome: training.Outcome | None) -> None:
        results: Results = {"gain": {}}
        for side in ("test", "validation"):
            rows = self._rows(side) if side in self._inputs.held_out else []
            if rows:
                self._run.write_predictions(side, map(self._readable, rows))
            scored = {name: self._score_of(name, rows) for name in self._inputs.models() if rows}
            unit_of = intervals.units({page["page"]: page.get("group") for page in self._inputs.split[side]})
            parts_of = {name: self._convention_of(name, rows, unit_of) for name in scored}
            columns = _columns(self._inputs.split[side])
            results[side] = {
                name: _figures(scored[name], unit_of, columns) | parts_of[name] if name in scored else None
                for name in self._inputs.scored
            }
            results["gain"][side] = _gain(scored, unit_of)
        results |= self._common_results(outcome) | {"polygons": self._polygons, "folding": self._folding_record}
        if self._inputs.segmenter is not None:
            found = FoundLines(self._inputs, self._call, self._stop, self._observer)
            results["end_to_end"] = found.end_to_end(self._rows("test"))
            found._confirm_inputs()
        self._confirm_inputs()
        self._run.confirm()
        write_json(self._run.results, results)

    @property
    def _polygons(self) -> str:
        """How lines are cut out of pages; 7.1's legacy polygons are not 4.3.13's."""
        if self._inputs.kraken.release == "4.3":
            return "4.3"
        return "legacy" if self._training.legacy_polygons else "new"

    def _score_of(self, name: str, rows: Sequence[dict[str, Any]]) -> Score:
        return score(_pairs(name, rows), self._inputs.release, self._folding)

    def _convention_of(self, name: str, rows: Sequence[dict[str, Any]], unit_of: Mapping[str, str]) -> dict[str, Any]:
        """How much of the CER is convention and how much reading; nothing where that is not asked for."""
        scores = self._scores
        if scores.convention_share is None:
            return {}
        limits = conventions.Limits(scores.convention_pages, scores.convention_share)
        return conventions.split(_pairs(name, rows), unit_of, limits, self._inputs.release)

    @cached_property
    def _folding(self) -> Folding | None:
        scores = self._scores
        if scores.folding is None:
            return None
        return Folding(scores.folding, case=scores.folding_case, punctuation=scores.folding_punctuation)

    @property
    def _folding_record(self) -> FoldingRecord | None:
        scores = self._scores
        if scores.folding is None:
            return None
        table: Any = {
            "rows": list(scores.folding),
            "case": scores.folding_case,
            "punctuation": scores.folding_punctuation,
        }
        return cast("FoldingRecord", table | {"digest": digest_json(table)})

    def _readable(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row for people: all texts in logical order; and in display order, too, where that is another."""
        displayed = {name: row[name] for name in ("reference", *self._inputs.scored)}
        displayed["reference"] = display_order(row["reference"], self._inputs.release)
        logical = {name: text and logical_order(text) for name, text in displayed.items()}
        return row | logical | ({"display": displayed} if logical != displayed else {})

    def _rows(self, side: str) -> list[dict[str, Any]]:
        """The held-out lines of a side: references in logical order, as they are staged, predictions in display order."""
        rows = []
        for page in sorted(self._inputs.split[side], key=lambda page: str(page["page"])):
            predicted = {name: self._texts(name, page) for name in self._inputs.models()}
            for line in read_page(self._inputs.staged(page)).lines:
                texts = {name: predicted[name][line.id] if name in predicted else None for name in self._inputs.scored}
                rows.append({"page": page["page"], "line": line.id, "reference": line.text, **texts})
        return rows

    def _texts(self, name: str, page: PageRecord) -> dict[str, str]:
        return {row["line"]: row["text"] for row in read_jsonl(self._predicted(self._inputs.digests[name], page))}


def _pairs(name: str, rows: Sequence[dict[str, Any]]) -> Iterator[LinePair]:
    """The lines of a side of the split as a model read them."""
    return (LinePair(row["page"], row["line"], row["reference"], row[name]) for row in rows)


def _columns(pages: Sequence[PageRecord]) -> dict[str, dict[str, str]]:
    """What is known of pages: column -> page -> value."""
    found: dict[str, dict[str, str]] = {parts.FOLDER: {page["page"]: posixpath.dirname(page["page"]) for page in pages}}
    for page in pages:
        for column, value in (page.get("metadata") or {}).items():
            found.setdefault(column, {})[page["page"]] = value
    return found


def _figures(scored: Score, unit_of: Mapping[str, str], columns: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The figures of a model with their intervals and those of parts of the pages, and the unit of each page that is not one by itself."""
    figures = scored.to_json(per_page=True)
    for page in figures["per_page"]:
        if unit_of[page["page"]] != page["page"]:
            page["unit"] = unit_of[page["page"]]
    return figures | score_intervals.bounds(scored, unit_of) | {"by": parts.by_column(scored, columns, unit_of)}


def _gain(scored: Mapping[str, Score], unit_of: Mapping[str, str]) -> Gain | None:
    """What was gained; None without two models to compare, or with fewer than two pages."""
    if not {"base", "best"} <= scored.keys():
        return None
    base, best = (score_intervals.counts(scored[name], "cer", unit_of) for name in ("base", "best"))
    found = intervals.of_difference(best, base)
    if found is None:
        return None
    return {
        "cer": found.value,
        "cer_low": found.interval.low,
        "cer_high": found.interval.high,
        "p": found.p,
        "sign_p": found.sign_p,
        "detectable": found.detectable,
        "units": len(base),
    }


class FoundLines(Recognition):
    """Reads whole pages: in the lines that a segmentation model finds on the image, in the order that it gives them."""

    @property
    def _segmenter(self) -> Path:
        assert self._inputs.segmenter is not None  # noqa: S101 - made where there is one
        return self._inputs.segmenter

    def predict(self) -> None:
        """Read the pages, unless the cache holds it."""
        self._observer.note("reads whole pages in the lines that the segmentation model finds")
        self._predict(self._inputs.models(), self._inputs.pages(*self._inputs.held_out))

    def _models_read(self, model: Path) -> list[Path]:
        return [model, self._segmenter]

    def _prediction_key(self) -> dict[str, str | int]:
        found = {
            "segmentation_model": self._inputs.digest(self._segmenter),
            "text_direction": str(self._scores.text_direction),
        }
        return super()._prediction_key() | found

    def _prediction_command(self, model: Path, pages: Sequence[tuple[PageRecord, Path]]) -> list[str]:
        images = [(str(self._inputs.image(page)), str(output)) for page, output in pages]
        return self._command(model, images, segmenter=str(self._segmenter))

    def _take_prediction(self, page: PageRecord, output: Path, target: Path) -> None:
        write_jsonl(target, [{"baseline": row["baseline"], "text": row["text"]} for row in self._said(page, output)])

    def end_to_end(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Score whole pages, read in the true lines and in those that were found; of the latter also as a layout.

        Args:
            rows: of the true lines, with what was read in them.
        """
        from htr_exp.scoring.layout.model import Layout, PagePair  # with shapely and numpy, which no other run needs
        from htr_exp.scoring.layout.score import score_pages as score_layouts

        (model,) = self._inputs.digests
        texts: dict[str, tuple[list[str], list[str]]] = {}
        for row in rows:
            reference, hypothesis = texts.setdefault(row["page"], ([], []))
            reference.append(row["reference"])
            hypothesis.append(row[model])
        found, pairs = [], []
        for page in self._inputs.pages("test"):
            name, read = page["page"], read_jsonl(self._predicted(self._inputs.digests[model], page))
            found.append(PageText(name, texts.get(name, ([], []))[0], [row["text"] for row in read]))
            true = read_page(self._inputs.staged(page)).lines
            pairs.append(PagePair(name, Layout(true, ()), Layout(tuple(map(_line, read)), ())))
        lines = score_layouts(pairs).to_json(per_page=False)
        release = self._inputs.kraken.release
        return {
            "ground_truth_lines": score_pages((PageText(name, *both) for name, both in texts.items()), release),
            "found_lines": score_pages(found, release)
            | {key: lines[key] for key in lines if key.startswith(("line_", "lines"))},
        }


def _line(row: dict[str, Any]) -> Line:
    baseline = tuple((round(x), round(y)) for x, y in row["baseline"])
    return Line("", baseline, (), row["text"], None, None)
