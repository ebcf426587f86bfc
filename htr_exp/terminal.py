"""What people see: progress of a run, tables of results, problems of ground truth."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from htr_exp.splits import NAMES

if TYPE_CHECKING:  # `status` prints on login nodes and needs neither Hydra nor the readers of ground truth
    from htr_exp.groundtruth import Dataset
    from htr_exp.plan import Plan

STAGES = {
    "verify": "verifies data and base model",
    "compile": "compiles the lines",
    "train": "trains",
    "convert": "keeps the best model",
    "predict": "recognises the held-out lines",
    "score": "scores",
}


def console(*, stderr: bool = False) -> Console:
    """Return a console that never breaks words where there is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 240)


class Progress:
    """Tells of one run, a line for each epoch; on a terminal a last line that changes says what is going on.

    Args:
        out: where it is told; None keeps silent.
    """

    def __init__(self, out: Console | None) -> None:
        self._out = out
        self._status = out.status("") if out is not None and out.is_terminal else None

    def __enter__(self) -> Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def stage(self, name: str) -> None:
        self._doing(STAGES.get(name, name))

    def advance(self, done: int, total: int) -> None:
        if self._status is not None:
            self._status.update(f"{STAGES['predict']}: {done} of {total} pages")

    def epoch(self, record: dict[str, Any], best: dict[str, Any], left_s: float | None) -> None:
        left = f"   at most {duration(left_s)} left" if left_s else ""
        mark = (
            "  best"
            if best["epoch"] == record["epoch"]
            else f"  best {percent(best['val_cer'])} in epoch {best['epoch'] + 1}"
        )
        self._say(
            f"  epoch {record['epoch'] + 1:3d}   validation CER {percent(record['val_cer']):>8}{mark:22}   {record['seconds']:.0f} s{left}"
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


def percent(share: float | None) -> str:
    """Return a share as percent with two decimals, or a dash."""
    return "-" if share is None else f"{100 * share:.2f} %"


def duration(seconds: float) -> str:
    """Return a time in the unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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
    for side in NAMES:
        pages = [plan.pages[name] for name in plan.split.pages[side]]
        if pages:
            lines = sum(len(page.lines) for page in pages)
            rows.append((side, f"{len(pages)} pages, {lines} lines ({lines / dataset.lines:.0%})"))
    rows.append(("base model", f"{plan.base.name} ({plan.base.path})" if plan.base else "none: from scratch"))
    rows.append(("network", plan.base.header.network if plan.base else str(experiment.architecture.spec)))
    rows.append(("kraken", f"{plan.kraken.version} on {plan.device} ({plan.kraken.folder})"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    out.print(table)
    show_warnings(out, plan.warnings)


def show_warnings(out: Console, warnings: Sequence[str]) -> None:
    """Print each warning once."""
    for warning in dict.fromkeys(warnings):
        out.print(Text(f"warning: {warning}", style="yellow"))


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
    shown = [
        (name, word)
        for name, word in (("base", "base"), ("best", trained))
        if row["scores"]["test"].get(name) or row["scores"]["validation"].get(name)
    ]
    table = Table(box=None, pad_edge=False)
    for name in ("", "lines", *(f"{word} {figure}" for figure in ("CER", "WER") for _, word in shown)):
        table.add_column(name, justify="right" if name else "left")
    for side, scores in row["scores"].items():
        scored = [scores[name] for name, _ in shown if scores.get(name)]
        if scored:
            figures = [percent((scores.get(name) or {}).get(figure)) for figure in ("cer", "wer") for name, _ in shown]
            table.add_row(side, str(scored[0]["lines"]), *figures)
    out.print(table)
    if row["reason"]:
        out.print(Text(row["reason"], style="yellow"))
    out.print(Text(f"run: {row['folder']}"))


def show_table(out: Console, rows: Sequence[dict[str, Any]], varied: Sequence[str]) -> None:
    """Print runs side by side: the settings in which they differ, and their scores."""
    table = Table(box=None, pad_edge=False)
    for name in ("run", *varied, "state", "epoch", "val CER", "base test CER", "test CER", "test WER"):
        table.add_column(
            name, overflow="fold", justify="right" if "CER" in name or "WER" in name or name == "epoch" else "left"
        )
    for row in rows:
        cells = [
            row["run"],
            *(str(row["settings"].get(key, "")) for key in varied),
            row["state"],
            "" if row["epoch"] is None else str(row["epoch"]),
        ]
        cells += [percent(row[key]) for key in ("val_cer", "base_test_cer", "test_cer", "test_wer")]
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)


def show_status(out: Console, rows: Sequence[dict[str, Any]]) -> None:
    """Print how runs stand."""
    table = Table(box=None, pad_edge=False)
    for name in ("run", "state", "epoch", "val CER", "test CER", "restarts", "reason"):
        table.add_column(name, overflow="fold")
    for row in rows:
        epoch = "" if row["epoch"] is None else str(row["epoch"])
        table.add_row(
            *(
                Text(cell)
                for cell in (
                    row["run"],
                    row["state"],
                    epoch,
                    percent(row["val_cer"]),
                    percent(row["test_cer"]),
                    str(row["restarts"]),
                    row["reason"] or "",
                )
            )
        )
    out.print(table)


def show_check(out: Console, dataset: Dataset) -> None:
    """Print what a dataset holds and everything that is wrong with it, each kind of problem once with its first examples."""
    out.print(
        f"{len(dataset.pages)} pages, {dataset.lines} lines, {dataset.characters} characters can be used (of {dataset.read['pages']} pages, {dataset.read['lines']} lines read)"
    )
    for severity, style in (("error", "red"), ("dropped", "yellow"), ("warning", "")):
        of_kind: dict[str, list[Any]] = {}
        for problem in dataset.problems:
            if problem.severity == severity:
                of_kind.setdefault(problem.code, []).append(problem)
        for code, problems in of_kind.items():
            out.print(Text(f"{severity}: {code} ({len(problems)})", style=style))
            for problem in problems[:5]:
                where = f"{problem.file}:{problem.line}" if problem.line else problem.file
                out.print(Text(f"  {where}: {problem.message}"))
            if len(problems) > 5:
                out.print(Text(f"  and {len(problems) - 5} more; --json lists all"))
