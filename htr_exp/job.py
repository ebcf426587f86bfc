"""The job: takes a run folder through its stages, on whatever machine, from wherever it was stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from omegaconf import OmegaConf

from htr_exp import groundtruth, ketos, training
from htr_exp.claim import Held, made_once
from htr_exp.errors import DatasetError, HtrExpError, ModelError, TrainingError
from htr_exp.files import digest_json, read_json, read_jsonl, sha256_file, utc_now, write_json, write_jsonl
from htr_exp.rundir import RunDir, State, plainly
from htr_exp.runtime import Command
from htr_exp.schema import Experiment
from htr_exp.scores import LinePair, score
from htr_exp.splits import NAMES
from htr_exp.weights import read_header

PAGES_PER_COMMAND = 200
"""Pages in one `kraken ocr`: its start is paid once for them, and the argument list stays within every system's limit."""


class Hear(training.Hear, Protocol):
    """Whoever shows a run's progress."""

    def stage(self, name: str) -> None:
        """The run enters a stage."""

    def advance(self, done: int, total: int) -> None:
        """So many pages of the stage are done."""


class Stop:
    """What the world has asked of this process: Ctrl-C means stop and score, SIGTERM means stop at once."""

    def __init__(self) -> None:
        self.asked: str | None = None

    def __call__(self) -> str | None:
        return self.asked

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turn signals into words while the body runs; a second Ctrl-C ends it by KeyboardInterrupt."""

        def hear(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGINT and self.asked is not None:
                raise KeyboardInterrupt
            self.asked = "user" if number == signal.SIGINT else "terminated"

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Interrupted(Exception):
    """The job was told to stop at once."""


def run(run: RunDir, *, stop: Stop, hear: Hear) -> State:
    """Do all that is left to do in a run.

    Args:
        run: a sealed run folder.
        stop: asked between and within stages.
        hear: shown the progress.

    Returns:
        How the run stands afterwards; a failure is told in its reason, not raised.

    Raises:
        Held: another process works in the run.
        HtrExpError: the run folder cannot be written.
    """
    try:
        with run.held():
            return _Job(run, stop, hear).do()
    except OSError as error:
        raise plainly(error, run.path) from None


class _Job:
    def __init__(self, run: RunDir, stop: Stop, hear: Hear) -> None:
        self._run, self._stop, self._hear = run, stop, hear
        self._ended_by: tuple[str, ...] = ()

    def do(self) -> State:
        run = self._run
        if run.state().state == "done":
            return run.state()
        started = time.monotonic()
        try:
            self._stage("verify", self._verify)
            outcome = None
            if self._trains:
                self._stage("compile", self._compile)
                outcome = self._stage("train", self._train)
                if outcome.ended_by == "terminated":
                    raise Interrupted
                if outcome.epochs == 0:
                    return self._ended(
                        "interrupted", "stopped before the first epoch was validated: there is nothing to score yet"
                    )
                self._stage("convert", lambda: self._convert(outcome.best_epoch))
            self._stage("predict", self._predict)
            self._stage("score", lambda: self._score(outcome))
        except (Interrupted, KeyboardInterrupt):
            return self._ended("interrupted", "stopped by a signal; the same command goes on from here")
        except HtrExpError as error:
            return self._ended("failed", "; ".join([error.headline, *error.problems]))
        except OSError as error:
            wrong = plainly(error, run.path)
            try:
                return self._ended("failed", "; ".join([wrong.headline, *wrong.problems]))
            except OSError:
                raise wrong from None
        spent = time.monotonic() - started
        self._hear.note(f"{spent / 60:.1f} minutes")
        if outcome is not None and outcome.ended_by == "user":
            return self._ended(
                "stopped", "stopped by the user; the best model so far is scored, the same command trains on"
            )
        training.clear(run, keep=False)
        return self._ended("done", None)

    def _ended(self, state: str, reason: str | None) -> State:
        stage = self._run.state().stage
        self._run.write_state(state, reason=reason, stage=None if state == "done" else stage)
        return self._run.state()

    def _stage(self, name: str, work: Callable[[], Any]) -> Any:
        # Ctrl-C before there is a model ends the job; afterwards it means: score what there is
        self._ended_by = ("terminated", "user") if name in ("verify", "compile") else ("terminated",)
        if self._stop() in self._ended_by:
            raise Interrupted
        self._run.write_state("running", stage=name)
        self._hear.stage(name)
        return work()

    @cached_property
    def _experiment(self) -> Experiment:
        values = OmegaConf.merge(Experiment, OmegaConf.load(self._run.experiment))
        return OmegaConf.to_object(values)  # type: ignore[return-value]

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self._run.facts()

    @cached_property
    def _places(self) -> dict[str, Any]:
        values: dict[str, Any] = read_json(self._run.places)
        return values

    @cached_property
    def _split(self) -> dict[str, list[dict[str, Any]]]:
        values: dict[str, list[dict[str, Any]]] = read_json(self._run.split)
        return values

    @property
    def _trains(self) -> bool:
        return bool(self._split["train"])

    @property
    def _cache(self) -> Path:
        return Path(self._places["cache"])

    def _pages(self, *sides: str) -> list[dict[str, Any]]:
        """Return the pages of some sides, ordered by content."""
        return sorted((page for side in sides for page in self._split[side]), key=lambda page: page["digest"])

    def _staged(self, page: dict[str, Any]) -> Path:
        return Path(self._places["pages"][page["page"]]["staged"])

    def _verify(self) -> None:
        """Stop unless everything is what the plan saw, byte for byte."""
        broken = self._run.broken_seals()
        if broken:
            raise TrainingError(
                f"{self._run.path}: changed since it was written: {', '.join(broken)}; start anew with again=true"
            )
        problems = []
        known = groundtruth.FileFacts.of_user()
        for page in self._pages(*NAMES):
            place = self._places["pages"][page["page"]]
            image = Path(place["image"])
            try:
                if known.image(str(image.parent), image.name).sha256 != page["image_digest"]:
                    problems.append(f"{image}: the image was changed since the run was planned")
            except OSError as error:
                problems.append(f"{image}: {error.strerror or error}")
            try:
                if sha256_file(Path(place["staged"])) != place["sha256"]:
                    problems.append(
                        f"{place['staged']}: the staged page was changed; the same train command stages it again"
                    )
            except OSError:
                problems.append(f"{place['staged']}: the staged page is gone; the same train command stages it again")
        known.save()
        if problems:
            more = [f"and {len(problems) - 10} more"] if len(problems) > 10 else []
            raise DatasetError("the data is not what the run was planned with:", problems[:10] + more)
        model = self._facts["model"]
        if model is not None:
            path = Path(self._places["base_model"])
            if not path.is_file():
                raise ModelError(f"{path}: the base model is gone")
            if sha256_file(path) != model["sha256"]:
                raise ModelError(
                    f"{path}: the base model was changed since the run was planned; give it its own name, or run the command anew"
                )

    def _compiled(self, side: str) -> Path:
        key = digest_json(
            {
                "pages": [page["digest"] for page in self._pages(side)],
                "kraken": self._facts["software"]["kraken"],
                "legacy_polygons": self._experiment.training.legacy_polygons,
            }
        )
        return self._cache / "compiled" / f"{key[:32]}.arrow"

    def _compile(self) -> None:
        for side in NAMES:
            if not self._split[side]:
                continue
            target = self._compiled(side)

            def make(aside: Path, side: str = side) -> None:
                self._hear.note(f"compiles {len(self._split[side])} pages for {side}")
                self._ketos(
                    ketos.compile_command(
                        self._places["ketos"], pages=str(self._run.live / f"{side}.pages"), output=str(aside),
                        legacy_polygons=self._experiment.training.legacy_polygons,
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
        for page in self._pages(side):
            lines = groundtruth.read_page(self._staged(page)).lines
            found = texts[position : position + len(lines)]
            if [line.text for line in lines] != found:
                raise DatasetError(
                    f"{page['page']}: kraken took other lines from it than the {len(lines)} that are staged "
                    f"({len(texts)} of {sum(one['lines'] for one in self._pages(side))} lines of {side} were compiled): see {self._run.log}"
                )
            position += len(lines)
        if position != len(texts):
            raise DatasetError(f"kraken compiled {len(texts)} lines for {side} where {position} are staged")

    def _train(self) -> training.Outcome:
        experiment = self._experiment
        material = training.Material(
            training=experiment.training,
            ketos=self._places["ketos"],
            device=self._facts["device"],
            seed=experiment.seed,
            base=self._places["base_model"],
            spec=None if self._facts["model"] else experiment.architecture.spec,
            train=self._run.live / "train.list",
            validation=self._run.live / "validation.list",
        )
        return training.train(self._run, material, stop=self._stop, hear=self._hear)

    def _convert(self, best_epoch: int) -> None:
        source, is_weights = training.weights_of_best(self._run, self._experiment.training, best_epoch)
        aside = self._run.path / ".best.part.mlmodel"
        aside.unlink(missing_ok=True)
        if is_weights:
            shutil.copyfile(source, aside)
        else:
            self._ketos(
                ketos.convert_command(self._places["ketos"], checkpoint=str(source), output=str(aside)),
                "converting the best checkpoint",
            )
        read_header(aside)
        os.replace(aside, self._run.best)

    def _held_out(self) -> list[dict[str, Any]]:
        return self._pages("validation", "test")

    def _predicted(self, model_digest: str, page: dict[str, Any]) -> Path:
        key = digest_json(
            {
                "model": model_digest,
                "kraken": self._facts["software"]["kraken"],
                "device": self._facts["device"].partition(":")[0],
                "precision": self._experiment.training.precision,
                "threads": self._experiment.training.threads,
                "pad": self._experiment.scores.pad,
            }
        )
        return self._cache / "predictions" / key[:32] / f"{page['digest'][:32]}.jsonl"

    def _models(self) -> dict[str, Path]:
        """Return the models that are scored: base where there is one, best where there was a training."""
        found = {"base": Path(self._places["base_model"])} if self._facts["model"] else {}
        return found | ({"best": self._run.best} if self._trains else {})

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {name: sha256_file(path) for name, path in self._models().items()}

    def _predict(self) -> None:
        wanted = [
            (name, page) for name in self._models() for page in self._held_out() if not self._predicted(self._digests[name], page).exists()
        ]  # fmt: skip
        done = 0
        for name, model in self._models().items():
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
            self._places["kraken"],
            pages=[(str(self._staged(page)), str(outputs[page["page"]])) for page in pages],
            model=str(model),
            template=str(self._run.template),
            device=self._facts["device"],
            precision=self._experiment.training.precision,
            threads=self._experiment.training.threads,
            pad=self._experiment.scores.pad,
        )
        self._ketos(
            command,
            f"recognising with the {name} model",
            watch=lambda: advanced(sum(path.exists() for path in outputs.values())),
        )
        for page in pages:
            self._take_prediction(page, outputs[page["page"]], self._predicted(self._digests[name], page))
        shutil.rmtree(scratch, ignore_errors=True)

    def _take_prediction(self, page: dict[str, Any], output: Path, target: Path) -> None:
        try:
            rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, ValueError):
            raise TrainingError(f"kraken could not recognise {page['page']}: see {self._run.log}") from None
        if [row["id"] for row in rows] != page["line_ids"]:
            raise TrainingError(
                f"{page['page']}: kraken recognised {len(rows)} lines where {page['lines']} are staged, or others: see {self._run.log}"
            )
        write_jsonl(target, [{"line": row["id"], "text": row["text"]} for row in rows])

    def _score(self, outcome: training.Outcome | None) -> None:
        results: dict[str, Any] = {}
        for side in ("test", "validation"):
            rows = self._rows(side)
            if rows:
                write_jsonl(self._run.predictions / f"{side}.jsonl", rows)
            results[side] = {
                name: score(LinePair(row["page"], row["line"], row["reference"], row[name]) for row in rows).to_json(
                    per_page=True
                )
                if rows and name in self._models()
                else None
                for name in ("base", "best")
            }
        scored = self._run.best if self._trains else Path(self._places["base_model"])
        results["network"] = read_header(scored).network
        results["models"] = self._digests
        if outcome is not None:
            records = self._run.epochs()
            results |= {
                "best_epoch": outcome.best_epoch,
                "epochs": outcome.epochs,
                "ended_by": outcome.ended_by,
                "val_cer_while_training": training.best_of(records)["val_cer"],
            }
        results |= {"val_source": "rescored", "device": self._facts["device"], "polygons": "legacy" if self._experiment.training.legacy_polygons else "new",
                    "time": utc_now()}  # fmt: skip
        write_json(self._run.results, results)

    def _rows(self, side: str) -> list[dict[str, Any]]:
        rows = []
        for page in sorted(self._split[side], key=lambda page: str(page["page"])):
            predicted = {name: self._texts(name, page) for name in self._models()}
            for line in groundtruth.read_page(self._staged(page)).lines:
                texts = {name: predicted[name][line.id] if name in predicted else None for name in ("base", "best")}
                rows.append({"page": page["page"], "line": line.id, "reference": line.text, **texts})
        return rows

    def _texts(self, name: str, page: dict[str, Any]) -> dict[str, str]:
        return {row["line"]: row["text"] for row in read_jsonl(self._predicted(self._digests[name], page))}

    def _ketos(self, argv: Sequence[str], doing: str, watch: Callable[[], None] = lambda: None) -> None:
        """Run one of kraken's programs to its end; its exit code says little, so callers look at what it made."""
        last: list[str] = []
        with open(self._run.log, "a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(argv)}\n")

            def hear(line: str) -> None:
                log.write(line + "\n")
                last[:] = [*last[-20:], line.strip()] if line.strip() else last

            command = Command(argv, threads=self._experiment.training.threads, hear=hear, folder=self._run.path)
            try:
                while (code := command.wait(0.2)) is None:
                    watch()
                    if self._stop() in self._ended_by:
                        raise Interrupted
            except BaseException:
                command.kill()
                raise
        if code:
            raise TrainingError(
                f"kraken failed while {doing} (exit code {code})", [f"kraken says: {line}" for line in last[-6:]]
            )
