"""What runs gained, on the terminal: the end of one run, and runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from htr_exp.core.run_state import RunState
from htr_exp.core.task import TASKS, task_of
from htr_exp.core.text import counted, percent
from htr_exp.runs import resumptions
from htr_exp.runs.records import Figures
from htr_exp.runs.rows import ComparedRow, RunRow, changed, figure


def show_result(out: Console, row: RunRow) -> None:
    """Print the end of one run: what was gained, on what, and where it is."""
    if not row["state"].has_scores:
        out.print(
            Text(
                f"{row['run']}: {row['state']}: {row['reason'] or ''}",
                style="red" if row["state"] is RunState.FAILED else "yellow",
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
    task = task_of(row["task"])
    columns = task.result_columns
    for name in ("", "lines", *(f"{word} {column.heading}" for column in columns for _, word in models)):
        table.add_column(name, justify="right" if name else "left")
    for side, scores in row["scores"].items():
        scored = [one for name, _ in models if (one := scores.get(name))]
        if scored:
            figures = [task.shown((scores.get(name) or {}).get(column.key)) for column in columns for name, _ in models]
            table.add_row(side, str(scored[0]["lines"]), *figures)
    out.print(table)
    if task.counts_lines:
        _show_lines(out, row, models)
    if row["end_to_end"]:
        _show_end_to_end(out, row["end_to_end"])
    if said := changed(row):
        out.print(Text(said, style="red"))
    if row["leakage"]:
        out.print(Text(LEAKY.format(kinds=", ".join(row["leakage"])), style="yellow"))
    if row["unknown_data"]:
        out.print(Text(UNKNOWN_DATA.format(which="; ".join(row["unknown_data"])), style="yellow"))
    if row["convention_mismatch"]:
        out.print(Text(MISMATCHED.format(conventions=row["conventions"]), style="yellow"))
    if row["resumed_exactly"] is False:
        out.print(Text(resumptions.INEXACT, style="yellow"))
    if row["reason"]:
        out.print(Text(row["reason"], style="yellow"))
    out.print(Text(f"run: {row['folder']}"))


def _show_lines(out: Console, row: RunRow, models: Sequence[tuple[str, str]]) -> None:
    """Print what became of the lines of the pages that stand for a segmentation."""
    side = "test" if row["scores"]["test"].get(models[0][0]) else "validation"
    for name, word in models:
        scores = row["scores"][side].get(name)
        if scores:
            counts = [
                f"{scores[f'lines_{what}']} {what}" for what in ("found", "missed", "invented", "merged", "split")
            ]
            out.print(Text(f"{side}, {word}: of {counted(scores['lines'], 'line')} {', '.join(counts)}"))


def _show_end_to_end(out: Console, scores: Mapping[str, Figures]) -> None:
    """Print how much of the error comes from the segmentation, how much from reading."""
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


UNKNOWN_DATA = "{which}: nobody can say whether these pages were among it"
"""What stands below every score of a model of which it is not known what it was trained on."""


def show_table(out: Console, rows: Sequence[ComparedRow], varied: Sequence[str]) -> None:
    """Print runs side by side: the settings in which they differ, and their scores."""
    table = Table(box=None, pad_edge=False)
    mixed = len({row["kraken"] for row in rows}) > 1
    there = {row["task"] for row in rows}
    figures = [(task, column) for name, task in TASKS.items() if name in there for column in task.compare_columns]
    headings = [column.heading for _, column in figures]
    leaky = any(row["leakage"] for row in rows)
    untold = any(row["unknown_data"] for row in rows)
    conventional = any(row["convention_mismatch"] for row in rows)
    broken = {row["run"]: said for row in rows if (said := changed(row))}
    resumed = any(row["resumed_at"] for row in rows)
    for name in (
        "run",
        *varied,
        *["kraken"] * mixed,
        *["seals"] * bool(broken),
        *["leakage"] * leaky,
        *["trained on"] * untold,
        *["convention"] * conventional,
        *["resumed at"] * resumed,
        "state",
        "epoch",
        *headings,
    ):
        right = name == "epoch" or name in headings
        table.add_column(name, overflow="fold", justify="right" if right else "left")
    for row in rows:
        cells = [
            row["run"],
            *(str(row["settings"].get(key, "")) for key in varied),
            *[row["kraken"]] * mixed,
            *["changed" if row["run"] in broken else ""] * bool(broken),
            *[", ".join(row["leakage"])] * leaky,
            *[row["trained_on"]] * untold,
            *[row["conventions"] or ""] * conventional,
            *[resumptions.shown(row)] * resumed,
            row["state"],
            "" if row["epoch"] is None else str(row["epoch"]),
        ]
        own = task_of(row["task"])
        cells += [own.shown(figure(row, column.key)) if task is own else "" for task, column in figures]
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)
    for run, said in broken.items():
        out.print(Text(f"{run}: {said}", style="red"))
    if any(row["resumed_exactly"] is False for row in rows):
        out.print(Text(resumptions.INEXACT, style="yellow"))
    for said in dict.fromkeys(said for row in rows for said in row["unknown_data"]):
        out.print(Text(UNKNOWN_DATA.format(which=said), style="yellow"))
    if mixed:
        out.print(
            Text(
                "mixed: these runs used different versions of kraken, which cut lines out of the page differently: "
                "compare scores within one version",
                style="yellow",
            )
        )
