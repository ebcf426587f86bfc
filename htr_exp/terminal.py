"""What people see: progress of a run, tables of results, problems of ground truth."""

from __future__ import annotations

import re
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from htr_exp.core.console import show_warnings
from htr_exp.core.figures import shown
from htr_exp.core.task import FIGURES, Task
from htr_exp.core.text import duration, percent
from htr_exp.splits import NAMES

if TYPE_CHECKING:  # `status` prints on login nodes and needs neither Hydra nor the readers of ground truth
    from htr_exp.config.schema import Slurm
    from htr_exp.doctor.finding import Finding
    from htr_exp.plan import Plan

STAGES = {
    "verify": "verifies data and base model",
    "compile": "compiles the lines",
    "train": "trains",
    "convert": "keeps the best model",
    "predict": "predicts the held-out pages",
    "score": "scores",
}


class Progress:
    """Tells of one run, a line for each epoch; on a terminal a last line that changes says what is going on.

    Args:
        out: where it is told; None keeps silent.
    """

    def __init__(self, out: Console | None) -> None:
        self._out = out
        self._stage = ""
        self._status = out.status("") if out is not None and out.is_terminal else None

    def __enter__(self) -> Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def stage(self, name: str) -> None:
        self._stage = STAGES.get(name, name)
        self._doing(self._stage)

    def advance(self, done: int, total: int) -> None:
        if self._status is not None:
            self._status.update(f"{self._stage}: {done} of {total} pages")

    def epoch(self, record: dict[str, Any], best: dict[str, Any], left_s: float | None) -> None:
        left = f"   at most {duration(left_s)} left" if left_s else ""
        task: Task = "recognition" if "val_cer" in record else "segmentation"
        figure = FIGURES[task]
        mark = (
            "  best"
            if best["epoch"] == record["epoch"]
            else f"  best {shown(best[figure.key], task)} in epoch {best['epoch'] + 1}"
        )
        self._say(
            f"  epoch {record['epoch'] + 1:3d}   validation {figure.label} {shown(record[figure.key], task):>8}{mark:22}   {record['seconds']:.0f} s{left}"
        )

    def note(self, text: str) -> None:
        self._say(f"  {text}")

    def _doing(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)
        else:
            self._say(f"  {text}")

    def _say(self, text: str) -> None:
        if self._out is not None:
            self._out.print(Text(text))


def show_plan(out: Console, plan: Plan, *, folder: str) -> None:
    """Print what a run would do."""
    dataset, experiment = plan.dataset, plan.experiment
    rows = [
        ("run", folder),
        (
            "dataset",
            f"{plan.dataset_name}: {len(dataset.pages)} pages, {dataset.lines} lines, {dataset.characters} characters",
        ),
    ]
    if dataset.dropped:
        rows.append(("left out", f"{len(dataset.dropped)} items; `python -m htr_exp check` says which and why"))
    if plan.split.fold:
        rows.append(("split", plan.split.fold))
    for side in NAMES:
        pages = [plan.pages[name] for name in plan.split.pages[side]]
        if pages:
            lines = sum(len(page.lines) for page in pages)
            rows.append((side, f"{len(pages)} pages, {lines} lines ({lines / dataset.lines:.0%})"))
    if plan.split.unused:
        rows.append(("not used", f"{len(plan.split.unused)} pages; split.json says why of each"))
    rows.append(("base model", f"{plan.base.name} ({plan.base.path})" if plan.base else "none: from scratch"))
    rows.append(("network", plan.base.header.network if plan.base else str(experiment.architecture.spec)))
    if plan.naming is not None and not plan.evaluate:
        rows += _layout_rows(plan.material.facts())
    device = "CUDA where the node has it, else the CPU" if plan.device == "auto" else plan.device
    for kind, found in plan.leaks.accepted.items():
        rows.append(("accepted", f"{kind}: {len(found)} pairs, first {found[0]}"))
    rows.append(("kraken", f"{plan.kraken.version} on {device} ({_where(plan)})"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    out.print(table)
    show_warnings(out, plan.warnings)


def _layout_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a segmentation is to learn, and what it takes."""
    classes = [f"{sort} {', '.join(of)}" for sort, of in facts["classes"]["numbers"].items() if of]
    memory = facts["memory"]
    return [
        ("classes", "; ".join(classes)),
        *([("memory", f"about {memory['peak_gb']:.1f} GB, where the CPU computes")] if memory else []),
    ]


def _where(plan: Plan) -> str:
    """Return where a plan's kraken comes from, and what it comes from where that is missing."""
    wanted, kraken = plan.experiment.runtime, plan.kraken
    if kraken.kind == "host":
        return str(kraken.folder)
    if wanted.kind == "apptainer" or kraken.fallback:
        return str(wanted.image)
    other = f", without it kraken {wanted.fallback_kraken} of {wanted.image}" if wanted.fallback else ""
    return f"module {wanted.module}{other}"


def show_submitted(out: Console, jobs: Mapping[Path, str], settings: Slurm) -> None:
    """Say which jobs runs were given to."""
    arrays: dict[str, set[str]] = {}
    for job in jobs.values():
        arrays.setdefault(job.partition("_")[0], set()).add(job)
    for number, members in arrays.items():
        many = f", {len(members)} jobs, {settings.array_parallelism} at a time" if len(members) > 1 else ""
        runs = f"{len(jobs)} runs" if len(jobs) > 1 else "1 run"
        limit = duration(60.0 * (settings.time_min or 0))
        out.print(
            Text(
                f"submitted {runs} as job {number}{many}: {settings.partition}, at most {limit} each, requeued up to {settings.max_requeues} times"
            )
        )


def show_result(out: Console, row: dict[str, Any]) -> None:
    """Print the end of one run: what was gained, on what, and where it is."""
    if row["state"] not in ("done", "stopped"):
        out.print(
            Text(
                f"{row['run']}: {row['state']}: {row['reason'] or ''}",
                style="red" if row["state"] == "failed" else "yellow",
            )
        )
        return
    trained = "fine-tuned" if row["base_model"] else "trained"
    models = [
        (name, word)
        for name, word in (("base", "base"), ("best", trained))
        if row["scores"]["test"].get(name) or row["scores"]["validation"].get(name)
    ]
    table = Table(box=None, pad_edge=False)
    columns = COLUMNS[row["task"]]
    for name in ("", "lines", *(f"{word} {label}" for label, _ in columns for _, word in models)):
        table.add_column(name, justify="right" if name else "left")
    for side, scores in row["scores"].items():
        scored = [scores[name] for name, _ in models if scores.get(name)]
        if scored:
            figures = [
                shown((scores.get(name) or {}).get(key), row["task"]) for _, key in columns for name, _ in models
            ]
            table.add_row(side, str(scored[0]["lines"]), *figures)
    out.print(table)
    if row["task"] == "segmentation":
        _show_lines(out, row, models)
    if row["end_to_end"]:
        _show_end_to_end(out, row["end_to_end"])
    if row["leakage"]:
        out.print(Text(LEAKY.format(kinds=", ".join(row["leakage"])), style="yellow"))
    if row["convention_mismatch"]:
        out.print(Text(MISMATCHED.format(conventions=row["conventions"]), style="yellow"))
    if row["reason"]:
        out.print(Text(row["reason"], style="yellow"))
    out.print(Text(f"run: {row['folder']}"))


COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "recognition": (("CER", "cer"), ("WER", "wer")),
    "segmentation": (("line F1", "line_f1"), ("region IoU", "region_iou_any")),
}
"""What is shown of a run's scores: label and key, by task; of layouts whatever the types are called, as models name them differently."""


def _show_lines(out: Console, row: dict[str, Any], models: Sequence[tuple[str, str]]) -> None:
    """Say what became of the lines of the pages that stand for a segmentation."""
    side = "test" if row["scores"]["test"].get(models[0][0]) else "validation"
    for name, word in models:
        scores = row["scores"][side].get(name)
        if scores:
            counts = [
                f"{scores[f'lines_{what}']} {what}" for what in ("found", "missed", "invented", "merged", "split")
            ]
            out.print(Text(f"{side}, {word}: of {scores['lines']} lines {', '.join(counts)}"))


def _show_end_to_end(out: Console, scores: dict[str, Any]) -> None:
    """Say how much of what is read wrongly is for the segmentation to answer."""
    table = Table(box=None, pad_edge=False)
    for name in ("whole pages", "CER", "WER", "bag-of-words WER"):
        table.add_column(name, justify="right" if name != "whole pages" else "left")
    for name, label in (
        ("ground_truth_lines", "in the lines of the ground truth"),
        ("found_lines", "in the lines that were found"),
    ):
        one = scores[name]
        table.add_row(label, *(percent(one[key]) for key in ("page_cer", "page_wer", "bag_wer")))
    out.print(table)


MISMATCHED = (
    "convention {conventions}: base model and data are transcribed by different conventions, so that scores before "
    "training, and gains, measure the convention, too"
)
"""What stands below every score of a base model that transcribes otherwise than its data (model -> data)."""

LEAKY = "leakage accepted: {kinds}: these scores are better than they would be on pages never seen"
"""What stands below every score that rests on an accepted leak."""


def _of_task(task: Task, key: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: shown(row[key], task) if row["task"] == task else ""


FIGURES_COMPARED: dict[Task, dict[str, Callable[[dict[str, Any]], str]]] = {
    "recognition": {
        "val CER": _of_task("recognition", "val"),
        "base test CER": _of_task("recognition", "base_test"),
        "test CER": _of_task("recognition", "test"),
        "test WER": _of_task("recognition", "test_wer"),
    },
    "segmentation": {
        "val line F1": _of_task("segmentation", "val"),
        "base test line F1": _of_task("segmentation", "base_test"),
        "test line F1": _of_task("segmentation", "test"),
    },
}
"""The figures by which runs are compared: heading and cell, by task."""


def show_table(out: Console, rows: Sequence[dict[str, Any]], varied: Sequence[str]) -> None:
    """Print runs side by side: the settings in which they differ, and their scores."""
    table = Table(box=None, pad_edge=False)
    mixed = len({row["kraken"] for row in rows}) > 1
    figures = [
        (head, cell)
        for task in FIGURES
        if any(row["task"] == task for row in rows)
        for head, cell in FIGURES_COMPARED[task].items()
    ]
    leaky = any(row["leakage"] for row in rows)
    conventional = any(row["convention_mismatch"] for row in rows)
    for name in (
        "run",
        *varied,
        *["kraken"] * mixed,
        *["leakage"] * leaky,
        *["convention"] * conventional,
        "state",
        "epoch",
        *(head for head, _ in figures),
    ):
        right = name == "epoch" or name in dict(figures)
        table.add_column(name, overflow="fold", justify="right" if right else "left")
    for row in rows:
        cells = [
            row["run"],
            *(str(row["settings"].get(key, "")) for key in varied),
            *[row["kraken"]] * mixed,
            *[", ".join(row["leakage"])] * leaky,
            *[row["conventions"] or ""] * conventional,
            row["state"],
            "" if row["epoch"] is None else str(row["epoch"]),
        ]
        cells += [cell(row) for _, cell in figures]
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)
    if mixed:
        out.print(
            Text(
                "mixed: these runs used different versions of kraken, which cut lines out of the page differently: "
                "compare scores within one version",
                style="yellow",
            )
        )


def show_status(out: Console, rows: Sequence[dict[str, Any]]) -> None:
    """Print how runs stand."""
    out.print(_status(rows, out.width))


def watch_status(
    out: Console,
    look: Callable[[], tuple[Sequence[dict[str, Any]], Sequence[str]]],
    *,
    every_s: float,
) -> None:
    """Show how runs stand until none of them is at work or waits for Slurm.

    On a terminal the table is drawn again each time; elsewhere each change is a line.

    Args:
        out: where it is shown.
        look: returns the rows of all runs, and notes.
        every_s: the time between two looks, seconds.
    """
    told: dict[str, str] = {}
    with Live(console=out, auto_refresh=False) if out.is_terminal else nullcontext() as live:
        while True:
            rows, notes = look()
            if live is not None:
                live.update(_watched(rows, notes, told, out.width), refresh=True)
            for row in rows:
                line = _status_line(row)
                if not _is_active(row) and row["run"] not in told:
                    continue
                if live is None and told.get(row["run"]) != line:
                    out.print(Text(f"{datetime.now():%H:%M:%S} {line}"))
                told[row["run"]] = line
            if not any(_is_active(row) for row in rows):
                if not told and live is None:
                    show_status(out, rows)
                return
            time.sleep(every_s)


def _is_active(row: dict[str, Any]) -> bool:
    """Say whether something may change without anybody doing anything."""
    return row["state"] == "running" or bool(row["state"] == "queued" and row["job"])


def _watched(rows: Sequence[dict[str, Any]], notes: Sequence[str], seen: Mapping[str, str], width: int) -> Group:
    """Return the runs at work and those that ended while one watched, and how many there are of each kind."""
    shown = [row for row in rows if _is_active(row) or row["run"] in seen] or rows
    counts = Counter(row["state"] for row in rows)
    summary = ", ".join(f"{number} {state}" for state, number in counts.most_common())
    return Group(
        _status(shown, width),
        Text(f"{datetime.now():%H:%M:%S}  {summary}", style="dim"),
        *(Text(note) for note in notes),
    )


def _status_line(row: dict[str, Any]) -> str:
    words = [f"{row['run']}: {row['state']}"]
    if row["stage"] and row["state"] == "running":
        words.append(STAGES.get(row["stage"], row["stage"]))
    if row["epoch"]:
        words.append(f"epoch {_epoch(row)}, validation {_metric(row)} {shown(row['val'], row['task'])}")
    if row["test"] is not None:
        words.append(f"test {_metric(row)} {shown(row['test'], row['task'])}")
    if row["job"]:
        words.append(f"job {_job(row)}")
    return ", ".join([*words, *([row["reason"]] if row["reason"] else [])])


def _metric(row: dict[str, Any]) -> str:
    """Return what a row is judged by, for people."""
    return {"cer": "CER", "mean_iu": "mean IoU", "line_f1": "line F1"}[row["metric"]]


FIGURES_OF_STATUS = {
    "val CER": ("val", "cer"),
    "test CER": ("test", "cer"),
    "val mean IoU": ("val", "mean_iu"),
    "val line F1": ("val", "line_f1"),
    "test line F1": ("test", "line_f1"),
}
"""The figures in a table of runs: heading, and which figure of a row that is judged by what."""


def _figure(key: str, metric: str) -> Callable[[dict[str, Any]], str]:
    def cell(row: dict[str, Any]) -> str:
        if row["metric"] != metric:
            return ""
        return shown(row[key], row["task"]) if row[key] is not None or metric == "cer" else ""

    return cell


STATE_STYLES = {"done": "green", "failed": "red", "running": "cyan", "timed_out": "yellow", "interrupted": "yellow"}


def _status(rows: Sequence[dict[str, Any]], width: int) -> Group:
    """Return a table of runs, and below it why they stand so: each reason once, since many runs may wait for the same."""
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "run": lambda row: str(row["run"]),
        "state": lambda row: f"running: {row['stage']}" if row["state"] == "running" and row["stage"] else row["state"],
        "epoch": _epoch,
        **{heading: _figure(key, metric) for heading, (key, metric) in FIGURES_OF_STATUS.items()},
        "job": _job,
        "job left": lambda row: duration(row["left_s"]) if row["left_s"] is not None else "",
        "training left": lambda row: f"< {duration(row['training_left_s'])}" if row["training_left_s"] else "",
        "restarts": lambda row: str(max(row["restarts"], row["requeued"]) or ""),
        "leakage": lambda row: ", ".join(row["leakage"]),
        "convention": lambda row: row["conventions"] if row["convention_mismatch"] else "",
    }
    tasks = {row["task"] for row in rows}
    always = ["run", "state", "epoch"] + ["val CER", "test CER"] * ("recognition" in tasks)
    cells = {name: [cell(row) for row in rows] for name, cell in columns.items()}
    cells = {name: column for name, column in cells.items() if name in always or any(column)}
    styles = [STATE_STYLES.get(row["state"], "") for row in rows]
    table = _lines(cells, styles, width) or _folded(cells, styles)
    reasons: dict[str, list[tuple[str, str]]] = {}  # without the job's number -> runs, and with it
    for row in rows:
        if row["reason"]:
            own = row["jobs"][-1] if row["jobs"] else "-"
            reasons.setdefault(row["reason"].replace(f"job {own}", "job"), []).append((row["run"], row["reason"]))
        if row["fallback"]:
            text = f"{row['fallback']}: kraken {row['kraken']} of {row['runtime']} instead"
            reasons.setdefault(text, []).append((row["run"], text))
    lines = [Padding(_reason(reason, of), (0, 0, 0, 2)) for reason, of in reasons.items()]
    return Group(table, *lines)


def _lines(cells: Mapping[str, Sequence[str]], styles: Sequence[str], width: int) -> Text | None:
    """Return a table of cells that need no folding, or None: rich takes seconds over one of thousands of rows."""
    widths = {name: max(len(name), *map(len, column)) for name, column in cells.items()}
    if sum(widths.values()) + 2 * (len(widths) - 1) > width:
        return None

    def line(values: Sequence[str]) -> list[str]:
        return [
            value.rjust(room) if _is_figure(name) else value.ljust(room) for value, (name, room) in zip(values, widths.items())
        ]  # fmt: skip

    text = Text("  ".join(line(list(cells))).rstrip(), style="bold", no_wrap=True)
    for values, style in zip(zip(*cells.values()), styles):
        name, state, *rest = line(values)
        text.append(f"\n{name}  ", style="not bold")
        text.append(state, style=f"not bold {style}")
        text.append(f"  {'  '.join(rest)}".rstrip(), style="not bold")
    return text


def _folded(cells: Mapping[str, Sequence[str]], styles: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in cells:
        right = _is_figure(name)
        table.add_column(
            name, overflow="fold", justify="right" if right else "left", no_wrap=name not in ("run", "job")
        )
    for values, style in zip(zip(*cells.values()), styles):
        table.add_row(
            *(Text(value, style=style if name == "state" else "") for name, value in zip(cells, values))
        )  # fmt: skip
    return table


def _is_figure(column: str) -> bool:
    return column in FIGURES_OF_STATUS or "left" in column


def _reason(reason: str, runs: Sequence[tuple[str, str]]) -> Text:
    """Return why runs stand as they do; for a single one with its job, and with the commands to be copied."""
    if len(runs) == 1:
        ((name, whole),) = runs
        reason = re.sub(r"`(resume|logs|cancel) RUN\b", rf"`\1 {name}", whole)
    return Text.assemble((_several([name for name, _ in runs]), "bold"), f": {reason}")


def _several(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} others"


def _epoch(row: dict[str, Any]) -> str:
    if row["epoch"] is None:
        return ""
    return f"{row['epoch']}/{row['epochs']}" if row["epochs"] else str(row["epoch"])


def _job(row: dict[str, Any]) -> str:
    job = row["job"] or (row["jobs"][-1] if row["jobs"] else "")
    return f"{job}@{row['node']}" if row["node"] else job


FINDING_STYLES = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "bold red"}
FINDING_NAME = 22
"""Characters that the name of a finding takes at least."""
FINDING_ROOM = 2 + 9 + FINDING_NAME + 1
"""Characters before what was found."""


def show_findings(out: Console, sections: Iterable[tuple[str, Iterable[Finding]]]) -> list[Finding]:
    """Print what an examination finds, as it goes on, and the sum; return all of it.

    Args:
        out: where it is shown.
        sections: titles and findings, which may take their time.
    """
    told: list[Finding] = []
    for title, findings in sections:
        out.print(Text(f"\n{title}" if told else title, style="bold"))
        for finding in _while_waiting(out, title, findings):
            told.append(finding)
            mark = (f"{finding.state:9}", FINDING_STYLES[finding.state])
            _hanging(out, Text.assemble("  ", mark, f"{finding.name:{FINDING_NAME}} "), finding.found, FINDING_ROOM)
            if finding.remedy:
                arrow = Text("-> ".rjust(FINDING_ROOM + 3))
                _hanging(out, arrow, finding.remedy, FINDING_ROOM + 3, "" if finding.state == "note" else "bold")
    counts = Counter(finding.state for finding in told)
    words = [f"{counts[state]} {state}{'s' * (counts[state] != 1)}" for state in ("error", "warning", "note")]
    out.print(Text(f"\n{', '.join(words)}, {counts['ok']} ok"))
    return told


def _hanging(out: Console, begin: Text, words: str, indent: int, style: str = "") -> None:
    """Print a line, broken between words where the terminal ends, each part below the first; paths stay whole."""
    room = max(out.width, indent + 20) if out.is_terminal else 10**6
    whole = textwrap.wrap(
        words,
        room,
        initial_indent=begin.plain,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for number, line in enumerate(whole):
        skip = indent if number else len(begin.plain)
        out.print((Text(line[:skip]) if number else begin) + Text(line[skip:], style=style), soft_wrap=True)


def _while_waiting(out: Console, title: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings; on a terminal a last line says where it looks meanwhile."""
    waiting = iter(findings)
    while True:
        with out.status(f"looks at: {title}") if out.is_terminal else nullcontext():
            finding = next(waiting, None)
        if finding is None:
            return
        yield finding
