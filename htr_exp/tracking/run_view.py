"""What a tracking store shows of a run, read from the run folder alone: a store can be made again at any time."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from htr_exp.core import files
from htr_exp.core.run_state import RunState
from htr_exp.core.task import RECOGNITION, TASKS, Task
from htr_exp.runs import configuration, seals
from htr_exp.runs.ownership import is_ours
from htr_exp.runs.run_dir import RunDir, StateRecord
from htr_exp.tracking.pages import CURVE, in_percent, percent
from htr_exp.tracking.sweeps import Sweep, Sweeps
from htr_exp.tracking.tags import is_number, score_of, tags_of

VIEW = 14  # raise it when the same folder is to be shown differently: every run is then recorded again

_NAMES = RunDir(Path())

GROWING = frozenset(path.name for path in (_NAMES.metrics, _NAMES.log))
"""The files that grow while the run is under way, as a store names them."""

MLFLOW_STATUS = {
    RunState.QUEUED: "SCHEDULED",
    RunState.RUNNING: "RUNNING",
    RunState.DONE: "FINISHED",
    RunState.FAILED: "FAILED",
    RunState.TIMED_OUT: "KILLED",
    RunState.CANCELLED: "KILLED",
    RunState.STOPPED: "KILLED",
    RunState.INTERRUPTED: "KILLED",
}
"""The state of a run -> MLflow's word for it."""

# MLflow's limits (mlflow/utils/validation.py of 3.17).
PARAM_LENGTH, KEY_LENGTH, DATASET_DIGEST_LENGTH, EXPERIMENT_LENGTH = 6000, 250, 36, 500
CUT = f" ... (cut; whole in {_NAMES.experiment})"

COUNTS = frozenset({"errors", "characters", "errors_raw", "characters_raw", "errors_nospace", "characters_nospace", "errors_folded", "characters_folded", "errors_reading", "errors_convention", "word_errors", "words", "lines", "pages", "units", "regions",
                    "lines_predicted", "regions_predicted", "bag_errors", "lines_without_baseline", "regions_without_area"})  # fmt: skip
MODEL = _NAMES.best.name
MODEL_TAGS = frozenset({"htr_exp.uuid", "htr_exp.name", "htr_exp.folder", "htr_exp.dataset", "htr_exp.model", "htr_exp.best_epoch", "htr_exp.kraken", "htr_exp.worse_than_base", "mlflow.note.content"})  # fmt: skip
"""What of a run its model tells, too."""

CONTEXTS = {"train": "training", "validation": "validation", "test": "test"}


class NotARunError(Exception):
    """A folder that lacks what every run folder has; the text says what, and what to do."""


@dataclass(frozen=True, slots=True)
class DatasetView:
    """One part of the split, as MLflow's dataset input."""

    name: str
    digest: str  # 32 hexadecimal digits over the part's pages: two runs with equal digests saw the same pages
    source: str
    profile: str  # JSON
    context: str  # training, validation or test


@dataclass(frozen=True, slots=True)
class RunView:
    """All that is shown of one run."""

    folder: Path
    uuid: str
    name: str  # for people: what it differs in from the others of its sweep, else the name of its folder
    question: str
    experiment: str  # MLflow's: the question, or the dataset and the task where that is the default
    task: Task
    state: RunState
    started: int  # milliseconds since 1970, UTC
    ended: int | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[tuple[str, int], tuple[float, int]]  # (name, step) -> (value, milliseconds)
    model_scores: Mapping[tuple[str, str], float]  # of the model it made: (name, context of the dataset) -> value
    datasets: tuple[DatasetView, ...]
    sweep: Sweep | None
    artifacts: Mapping[str, Path]  # path in the store -> file

    @property
    def status(self) -> str:
        """MLflow's word for the state."""
        return MLFLOW_STATUS[self.state]


def identity(folder: Path) -> str:
    """The uuid by which a run is found in a store.

    Raises:
        NotARunError: the folder has no readable provenance.json.
    """
    try:
        return str(files.read_json(RunDir(folder).provenance)["run"]["uuid"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotARunError(
            f"{RunDir(folder).provenance} cannot be read ({type(error).__name__}: {error}): "
            "not a run folder, or one that was copied in part; copy it again"
        ) from error


def fingerprint(folder: Path) -> str:
    """A digest that changes when what a store shows of the folder would change; reads only small files."""
    parts: list[Any] = [VIEW, folder.name]
    for path in _fingerprinted(RunDir(folder)):
        name = path.relative_to(folder).as_posix()
        try:
            parts.append([name, files.sha256_bytes(path.read_bytes())])
        except OSError:
            parts.append([name, None])
    state = _state(folder).state  # not only what the file says: nobody writes there that a process was killed
    parts.append(state)
    ended = state.is_ended
    for name, path in artifacts(folder).items():
        if path.name == _NAMES.report.name:  # it is made of the other files, and a copied workspace has none of ours
            continue
        # A log that still grows is shown as it is; its size is part of the record only once it stands still.
        if name not in GROWING or ended:
            with contextlib.suppress(OSError):
                parts.append([name, *stamp(path)])
    return files.digest_json(parts)


def _fingerprinted(run: RunDir) -> tuple[Path, ...]:
    """The files whose content is read for the fingerprint, all small. The rest is known by its size and time."""
    sealed = (run.experiment, run.provenance, run.split)
    return (
        *sealed,
        run.results,
        run.metrics,
        run.state_file,
        run.judgements,
        run.sweeps,
        run.starts,
        run.submissions,
        run.requeues,
    )


def stamp(path: Path) -> tuple[int, int]:
    """Size and modification time (ns) of a file.

    Not the stamp of `core.file_cache`: a store keeps it, and a workspace that is copied has other inodes and times of
    status. Nothing in it has to be recorded again then.
    """
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def artifacts(folder: Path) -> dict[str, Path]:
    """The files that a store shows, by the path they have there.

    Of what may lie in a run folder these are the files that are sealed, the log, and what the run makes while it works. What
    somebody has put beside them, into `predictions/` for example, is no part of the run. The report has no seal, and a browser
    would do what it says: that of a folder that is not ours is left out.
    """
    run = RunDir(folder)
    sealed, made = seals.names(run.manifest), seals.names(run.results_manifest)
    written = (run.experiment, run.provenance, run.split, run.classes, run.commands, run.uncommitted_diff)
    growing = [path for path in (run.best, run.metrics) if not made or path.name in made]
    growing += [run.results] * (run.results.name in made)
    found = {path.name: path for path in (*(one for one in written if one.name in sealed), *growing, run.log)}
    predictions = [*sorted(run.predictions.glob("*.jsonl")), *sorted(run.overlays.glob("*.jpg"))]
    by_name = {path.relative_to(folder).as_posix(): path for path in predictions}
    found |= {name: path for name, path in by_name.items() if name in made}
    if run.report.exists() and is_ours(run):
        found[run.report.name] = run.report
    return {shown: path for shown, path in found.items() if path.is_file()}


def read(folder: Path, workspace: Path, sweeps: Sweeps | None = None) -> RunView:
    """What is to be shown of a run folder.

    Args:
        folder: the run folder.
        workspace: paths are shown relative to it, so that it can be moved.
        sweeps: the sweeps that were looked for already.

    Raises:
        NotARunError: the folder has no readable provenance.json.
    """
    run, uuid = RunDir(folder), identity(folder)
    provenance = files.read_json(run.provenance)
    experiment = _yaml(run.experiment)
    state = _state(folder)
    results = _json(run.results) if run.is_scored else {}
    split = _json(run.split)
    created = milliseconds(provenance.get("created")) or 0
    started = next((milliseconds(start.get("time")) for start in run.begun), None)
    since = milliseconds(state.since)
    ended = since or created if state.state.is_ended else None
    sweep = (sweeps or Sweeps()).of(run)
    name = (sweep.name_of(run) if sweep else None) or folder.name
    task = TASKS.get(str(provenance["run"].get("task")), RECOGNITION)
    epochs = {line["epoch"]: line for line in run.epochs()}
    return RunView(
        folder=folder,
        uuid=uuid,
        name=name,
        question=_question(provenance),
        experiment=experiment_of(provenance),
        task=task,
        state=state.state,
        started=started or created,
        ended=ended,
        params=flat_params(experiment) | _names(provenance),
        tags=tags_of(folder, workspace, provenance, state, results, len(epochs)) | {"mlflow.runName": name},
        metrics=dict(_shown(task, epochs, results, since or created))
        | dict(_metrics(epochs, results, since or created)),
        model_scores=_scores_of_model(task, results) if state.state.is_ended else {},
        datasets=tuple(_datasets(provenance, split)),
        sweep=sweep,
        artifacts=artifacts(folder),
    )


def experiment_of(provenance: Mapping[str, Any]) -> str:
    """The name of the MLflow experiment that a run belongs to."""
    if (question := _question(provenance)) != "default":
        return question
    dataset = (provenance.get("dataset") or {}).get("name") or "unnamed"
    return f"{dataset} {provenance['run'].get('task') or RECOGNITION.name}"[:EXPERIMENT_LENGTH]


def _question(provenance: Mapping[str, Any]) -> str:
    return str(provenance["run"].get("question") or "default")


def _names(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Parameters that the configuration need not hold: it may say a file or a folder instead of a name."""
    names = {"dataset": (provenance.get("dataset") or {}).get("name"), "base_model": "none"}
    if provenance.get("model"):
        names["base_model"] = provenance["model"].get("name")
    return {key: str(name)[:PARAM_LENGTH] for key, name in names.items() if name}


def tracked(folder: Path) -> tuple[str, str | None]:
    """Where a run's own experiment wants it recorded: `tracking.kind` and `tracking.uri`."""
    try:
        values = configuration.section(RunDir(folder).experiment.read_text(encoding="utf-8-sig"), "tracking")
    except (OSError, ValueError):
        values = None
    if not isinstance(values, Mapping):
        return "embedded", None
    return str(values.get("kind") or "embedded"), str(values["uri"]) if values.get("uri") else None


def flat_params(experiment: Mapping[str, Any]) -> dict[str, str]:
    """The scalars of a nested mapping under dotted keys: lists as JSON, nothing for None, long values cut."""
    found: dict[str, str] = {}

    def walk(value: Any, key: str) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                walk(inner, f"{key}.{name}" if key else str(name))
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            found[_key(key)] = text if len(text) <= PARAM_LENGTH else text[: PARAM_LENGTH - len(CUT)] + CUT

    walk(experiment, "")
    return found


def _key(key: str) -> str:
    return re.sub(r"[^\w.\- /]", "_", key)[:KEY_LENGTH]


def _metrics(
    epochs: Mapping[int, Mapping[str, Any]], results: Mapping[str, Any], when: int
) -> Iterator[tuple[tuple[str, int], tuple[float, int]]]:
    """Yield the curve (a redone epoch has its last value) and the final scores."""
    for epoch, line in sorted(epochs.items()):
        time = milliseconds(line.get("time")) or when
        for name, value in line.items():
            if name in COUNTS or name in ("epoch", "time") or not is_number(value):
                continue
            yield ("epoch_seconds" if name == "seconds" else _key(name), epoch), (float(value), time)
    for part, prefix, rescored in (("test", "test", ""), ("validation", "val", "_rescored")):
        for which, suffix in (("best", ""), ("model", ""), ("base", "_base")):
            for name, value in ((results.get(part) or {}).get(which) or {}).items():
                if name not in COUNTS and is_number(value):
                    yield (_key(f"{prefix}_{name}{rescored}{suffix}"), 0), (float(value), when)
    for lines, scores in (results.get("end_to_end") or {}).items():
        for name, value in scores.items() if isinstance(scores, Mapping) else ():
            if is_number(value) and name not in COUNTS:
                yield (_key(f"{name}_{lines}"), 0), (float(value), when)
    for task in TASKS.values():
        base, best = score_of(results, "base", task), score_of(results, "best", task)
        if base is not None and best is not None:
            yield ("test_gain_points", 0), (in_percent(task.gain(base, best)), when)
    gain = (results.get("gain") or {}).get("test") or {}
    for end in ("low", "high"):
        if is_number(gain.get(f"cer_{end}")):
            yield (f"test_gain_points_{end}", 0), (in_percent(gain[f"cer_{end}"]), when)


def _shown(
    task: Task, epochs: Mapping[int, Mapping[str, Any]], results: Mapping[str, Any], when: int
) -> Iterator[tuple[tuple[str, int], tuple[float, int]]]:
    """Yield what people read first: the curve in a section of its own, and error rates in percent.

    Charts stand in sections, by what comes before the slash, and a section with a name comes before the others.
    """
    key = task.curve_key
    for epoch, line in sorted(epochs.items()):
        if is_number(line.get(key)):
            named = key if task.higher_is_better else percent(key)
            value = round(line[key], 6) if task.higher_is_better else in_percent(line[key])
            yield (f"{CURVE}/{named}", epoch), (float(value), milliseconds(line.get("time")) or when)
    if not task.higher_is_better:
        yield from _percents(task, results, when)


def _percents(task: Task, results: Mapping[str, Any], when: int) -> Iterator[tuple[tuple[str, int], tuple[float, int]]]:
    for part, prefix in (("test", "test"), ("validation", "val")):
        for which, suffix in (("best", ""), ("model", ""), ("base", "_base")):
            scores = (results.get(part) or {}).get(which) or {}
            for name in (*(column.key for column in task.result_columns), "cer_reading"):
                if is_number(scores.get(name)):
                    yield (f"{percent(f'{prefix}_{name}')}{suffix}", 0), (in_percent(scores[name]), when)


def scores_of(task: Task, results: Mapping[str, Any], when: int) -> dict[tuple[str, int], tuple[float, int]]:
    """The final scores alone: those of a run, or of the best run of a sweep."""
    return dict(_shown(task, {}, results, when)) | dict(_metrics({}, results, when))


def _scores_of_model(task: Task, results: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """The scores of the best model, by the names that the run has for them."""
    found: dict[tuple[str, str], float] = {}
    for side in ("test", "validation"):
        alone = {side: {"best": (results.get(side) or {}).get("best")}}
        found |= {(name, CONTEXTS[side]): value for (name, _), (value, _) in scores_of(task, alone, 0).items()}
    return found


def _datasets(provenance: Mapping[str, Any], split: Mapping[str, Any]) -> Iterator[DatasetView]:
    dataset = provenance.get("dataset") or {}
    name = str(dataset.get("name") or "unnamed")
    source = json.dumps({"uri": ", ".join(str(folder) for folder in dataset.get("folders") or [name])})
    for part, context in CONTEXTS.items():
        pages = split.get(part) or []
        if not pages:
            continue
        counts = {"pages": len(pages), **((provenance.get("split") or {}).get(part) or {})}
        # MLflow knows a dataset by name and digest and keeps one context for each: the parts need digests of their own.
        digest = files.digest_json(sorted([str(page.get("page")), str(page.get("digest"))] for page in pages))
        profile = json.dumps({**counts, "dataset_digest": dataset.get("digest")})
        yield DatasetView(name[:500], digest[:32], source[:60000], profile, context)


def _state(folder: Path) -> StateRecord:
    """The state of a run by its folder alone.

    A job of Slurm's that was killed without a word is shown as waiting, since Slurm starts it again: KILLED would have an
    end, and RUNNING a process. Where Slurm does not, `status` finds out and writes it into the folder.
    """
    run = RunDir(folder)
    state = run.state()
    killed = state.state is RunState.INTERRUPTED and run.written_state().state is RunState.RUNNING
    if killed and _begun_by_slurm(run):
        return replace(state, state=RunState.QUEUED, reason="its job was killed; Slurm may start it again")
    return state


def _begun_by_slurm(run: RunDir) -> bool:
    starts = [row for row in run.begun if "start" in row]
    return bool(starts and starts[-1].get("job"))


def _json(path: Path) -> Mapping[str, Any]:
    """A JSON object; empty while the file is missing or being copied."""
    try:
        value = files.read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _yaml(path: Path) -> Mapping[str, Any]:
    try:
        value = configuration.parsed(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def milliseconds(time: Any) -> int | None:
    """An ISO 8601 time as milliseconds since 1970."""
    try:
        return round(datetime.fromisoformat(str(time).replace("Z", "+00:00")).timestamp() * 1000)
    except ValueError:
        return None
