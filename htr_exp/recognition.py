"""What recognition does at each stage of a job: compile, train, convert, predict, score."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from htr_exp import groundtruth, ketos, training
from htr_exp.claim import Held, made_once
from htr_exp.errors import DatasetError, TrainingError
from htr_exp.files import digest_json, read_jsonl, utc_now, write_json, write_jsonl
from htr_exp.inputs import Inputs
from htr_exp.saved import best_of
from htr_exp.scores import LinePair, score
from htr_exp.splits import NAMES
from htr_exp.stop import Interrupted
from htr_exp.weights import read_header

PAGES_PER_COMMAND = 200
"""Pages in one `kraken ocr`: its start is paid once for them, and the argument list stays within every system's limit."""


class Hear(training.Hear, Protocol):
    """Whoever shows a run's progress."""

    def stage(self, name: str) -> None:
        """The run enters a stage."""

    def advance(self, done: int, total: int) -> None:
        """So many pages of the stage are done."""


class Call(Protocol):
    """Runs one of kraken's programs to its end."""

    def __call__(self, argv: Sequence[str], doing: str, watch: Callable[[], None] = ...) -> None: ...


class Recognition:
    """The stages of a recognition run.

    Args:
        inputs: the run.
        call: runs kraken's programs.
        stop: asked while something is waited for.
        hear: shown the progress.
    """

    def __init__(self, inputs: Inputs, call: Call, stop: Callable[[], str | None], hear: Hear) -> None:
        self._inputs, self._call, self._stop, self._hear = inputs, call, stop, hear
        self._run = inputs.run

    def compile(self) -> None:
        """Compile each side of the split, unless the cache holds it.

        Raises:
            DatasetError: kraken took other lines than were staged.
            TrainingError: kraken failed.
            Interrupted: the job was told to stop.
        """
        for side in NAMES:
            if not self._inputs.split[side]:
                continue
            target = self._inputs.compiled(side)

            def make(aside: Path, side: str = side) -> None:
                self._hear.note(f"compiles {len(self._inputs.split[side])} pages for {side}")
                self._call(
                    ketos.compile_command(
                        self._inputs.kraken.version, pages=str(self._run.live / f"{side}.pages"), output=str(aside),
                        legacy_polygons=self._inputs.experiment.training.legacy_polygons,
                    ),
                    "compiling",
                )  # fmt: skip
                if not aside.exists():
                    raise TrainingError(f"kraken compiled nothing for {side}: see {self._run.log}")
                self._compare_lines(aside, side)

            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                made_once(target, make, wait=lambda owner: self._stop() is None)
            except Held:
                raise Interrupted from None
            (self._run.live / f"{side}.list").write_text(f"{target}\n", encoding="utf-8")

    def _compare_lines(self, compiled: Path, side: str) -> None:
        """Stop at the first page whose lines kraken did not take exactly as we staged them."""
        import pyarrow as pa

        with pa.memory_map(str(compiled)) as source:
            reader = pa.ipc.open_file(source)
            texts: list[str] = []
            for number in range(reader.num_record_batches):
                texts += reader.get_batch(number).column("lines").field("text").to_pylist()
        position = 0
        for page in self._inputs.pages(side):
            lines = groundtruth.read_page(self._inputs.staged(page)).lines
            found = texts[position : position + len(lines)]
            if [line.text for line in lines] != found:
                raise DatasetError(
                    f"{page['page']}: kraken took other lines from it than the {len(lines)} that are staged "
                    f"({len(texts)} of {sum(one['lines'] for one in self._inputs.pages(side))} lines of {side} were compiled): see {self._run.log}"
                )
            position += len(lines)
        if position != len(texts):
            raise DatasetError(f"kraken compiled {len(texts)} lines for {side} where {position} are staged")

    def train(self) -> training.Outcome:
        """Train to the end, or until told to stop."""
        experiment = self._inputs.experiment
        material = training.Material(
            training=experiment.training,
            kraken=self._inputs.kraken,
            device=self._inputs.device,
            workers=self._inputs.workers,
            seed=experiment.seed,
            base=self._inputs.places["base_model"],
            spec=None if self._inputs.facts["model"] else experiment.architecture.spec,
            train=self._run.live / "train.list",
            validation=self._run.live / "validation.list",
        )
        return training.train(self._run, material, stop=self._stop, hear=self._hear)

    def convert(self) -> None:
        """Keep the best epoch's weights as best.mlmodel."""
        source, is_weights = training.weights_of_best(
            self._run, self._inputs.experiment.training, self._inputs.kraken.version
        )
        aside = self._run.path / ".best.part.mlmodel"
        aside.unlink(missing_ok=True)
        if is_weights:
            shutil.copyfile(source, aside)
        else:
            self._call(
                ketos.convert_command(checkpoint=str(source), output=str(aside)),
                "converting the best checkpoint",
            )
        read_header(aside)
        os.replace(aside, self._run.best)

    def _held_out(self) -> list[dict[str, Any]]:
        return self._inputs.pages("validation", "test")

    def _predicted(self, model_digest: str, page: dict[str, Any]) -> Path:
        key = digest_json(
            {
                "model": model_digest,
                "kraken": self._inputs.kraken.version,
                "device": self._inputs.device.partition(":")[0],
                "precision": self._inputs.experiment.training.precision,
                "threads": self._inputs.experiment.training.threads,
                "pad": self._inputs.experiment.scores.pad,
            }
        )
        return self._inputs.cache / "predictions" / key[:32] / f"{page['digest'][:32]}.jsonl"

    def predict(self) -> None:
        """Recognise the held-out lines with the base and the best model, unless the cache holds it."""
        wanted = [
            (name, page) for name in self._inputs.models() for page in self._held_out() if not self._predicted(self._inputs.digests[name], page).exists()
        ]  # fmt: skip
        done = 0
        for name, model in self._inputs.models().items():
            pages = [page for of, page in wanted if of == name]
            for start in range(0, len(pages), PAGES_PER_COMMAND):
                batch = pages[start : start + PAGES_PER_COMMAND]
                self._predict_batch(name, model, batch, partial(self._advance, done, len(wanted)))
                done += len(batch)

    def _advance(self, before: int, total: int, count: int) -> None:
        self._hear.advance(before + count, total)

    def _predict_batch(
        self, name: str, model: Path, pages: Sequence[dict[str, Any]], advanced: Callable[[int], None]
    ) -> None:
        scratch = self._run.live / "predicting"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        outputs = {page["page"]: scratch / f"{number}.jsonl" for number, page in enumerate(pages)}
        command = ketos.predict_command(
            self._inputs.kraken.version,
            pages=[(str(self._inputs.staged(page)), str(outputs[page["page"]])) for page in pages],
            model=str(model),
            template=str(self._run.template),
            device=self._inputs.device,
            precision=self._inputs.experiment.training.precision,
            threads=self._inputs.experiment.training.threads,
            pad=self._inputs.experiment.scores.pad,
        )
        self._call(
            command,
            f"recognising with the {name} model",
            watch=lambda: advanced(sum(path.exists() for path in outputs.values())),
        )
        for page in pages:
            self._take_prediction(page, outputs[page["page"]], self._predicted(self._inputs.digests[name], page))
        shutil.rmtree(scratch, ignore_errors=True)

    def _take_prediction(self, page: dict[str, Any], output: Path, target: Path) -> None:
        try:
            rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, ValueError):
            raise TrainingError(f"kraken could not recognise {page['page']}: see {self._run.log}") from None
        lines = groundtruth.read_page(self._inputs.staged(page)).lines
        if [row["id"] for row in rows] == [None] * len(lines):  # 4.3.13 forgets ids, and keeps order and baselines
            told = [[(round(x), round(y)) for x, y in row["baseline"]] for row in rows]
            same = told == [[(round(x), round(y)) for x, y in line.baseline] for line in lines]
        else:
            same = [row["id"] for row in rows] == page["line_ids"]
        if not same:
            raise TrainingError(
                f"{page['page']}: kraken recognised {len(rows)} lines where {page['lines']} are staged, or others: see {self._run.log}"
            )
        write_jsonl(target, [{"line": line.id, "text": row["text"]} for line, row in zip(lines, rows)])

    def score(self, outcome: training.Outcome | None) -> None:
        """Score the predictions; write them line by line, and results.json."""
        results: dict[str, Any] = {}
        for side in ("test", "validation"):
            rows = self._rows(side)
            if rows:
                write_jsonl(self._run.predictions / f"{side}.jsonl", rows)
            results[side] = {
                name: score(LinePair(row["page"], row["line"], row["reference"], row[name]) for row in rows).to_json(
                    per_page=True
                )
                if rows and name in self._inputs.models()
                else None
                for name in ("base", "best")
            }
        scored = self._run.best if self._inputs.trains else Path(self._inputs.places["base_model"])
        results["network"] = read_header(scored).network
        results["models"] = self._inputs.digests
        if outcome is not None:
            records = self._run.epochs()
            results |= {
                "best_epoch": outcome.best_epoch,
                "epochs": outcome.epochs,
                "ended_by": outcome.ended_by,
                "val_cer_while_training": best_of(records)["val_cer"],
            }
        legacy = self._inputs.experiment.training.legacy_polygons
        results |= {
            "val_source": "rescored",
            "device": self._inputs.device,
            "kraken": self._inputs.kraken.facts(),
            # 7.1's legacy polygons are not 4.3.13's
            "polygons": "4.3" if self._inputs.kraken.release == "4.3" else "legacy" if legacy else "new",
            "time": utc_now(),
        }
        write_json(self._run.results, results)

    def _rows(self, side: str) -> list[dict[str, Any]]:
        rows = []
        for page in sorted(self._inputs.split[side], key=lambda page: str(page["page"])):
            predicted = {name: self._texts(name, page) for name in self._inputs.models()}
            for line in groundtruth.read_page(self._inputs.staged(page)).lines:
                texts = {name: predicted[name][line.id] if name in predicted else None for name in ("base", "best")}
                rows.append({"page": page["page"], "line": line.id, "reference": line.text, **texts})
        return rows

    def _texts(self, name: str, page: dict[str, Any]) -> dict[str, str]:
        return {row["line"]: row["text"] for row in read_jsonl(self._predicted(self._inputs.digests[name], page))}
