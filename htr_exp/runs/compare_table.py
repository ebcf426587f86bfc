"""What runs gained, on the terminal: the end of one run, and runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.table import Table

from htr_exp.core.console import Text, aligned
from htr_exp.core.own_command import own_command
from htr_exp.core.run_state import RunState
from htr_exp.core.task import END_TO_END, END_TO_END_COLUMNS, TASKS, Task, task_of
from htr_exp.core.text import between, counted, first_of, percent
from htr_exp.runs import (
    certainty,
    choice_by_validation,
    costs,
    narrow,
    reading_part,
    resumptions,
    test_sets,
    told_apart,
)
from htr_exp.runs.experiment_table import show_experiments
from htr_exp.runs.records import NO_KRAKEN, Figures
from htr_exp.runs.remarks import UNKNOWN_DATA, interim, remarks
from htr_exp.runs.rows import ComparedRow, RunRow, changed, compared_on, figure, worse
from htr_exp.runs.sweep_points import short


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
        for name, word in (("model", "evaluated"), ("base", "base"), ("best", trained))
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
    for remark in remarks(row):
        out.print(Text(remark.text, style=STYLES[remark.weight]))
    if row["reason"]:
        out.print(Text(row["reason"], style="yellow"))
    out.print(Text(f"run: {row['folder']}"))


def in_short(row: RunRow) -> str:
    """The end of one run of several: what it scored, or how it ended otherwise."""
    if row["state"] is not RunState.DONE:
        return ": ".join(filter(None, (row["state"], row["reason"])))
    label, shown = task_of(row["task"]).score_label, task_of(row["task"]).shown
    sides = ("validation", "val"), ("test", "test")
    return ", ".join(f"{side} {label} {shown(value)}" for side, key in sides if (value := figure(row, key)) is not None)


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
    for name in ("whole pages", *(column.heading for column in END_TO_END_COLUMNS)):
        table.add_column(name, justify="right" if name != "whole pages" else "left")
    for name, label in END_TO_END.items():
        table.add_row(label, *(percent(scores[name][column.key]) for column in END_TO_END_COLUMNS))
    out.print(table)


STYLES = {"bad": "red", "doubt": "yellow", "fact": ""}
"""The weight of a remark -> its style."""


Cell = Callable[[ComparedRow], str]

Columns = dict[str, list[str]]
"""Heading -> a cell for each run: made once, and measured where needed."""

RUN_WIDTH = 24
"""What the names of runs keep of a narrow terminal before settings get any of it."""


def show_table(out: Console, rows: Sequence[ComparedRow], varied: Sequence[str], margin: float | None = None) -> None:
    """Print runs side by side, what does not compare in tables of its own: the settings in which they differ, and their scores.

    Args:
        out: the terminal.
        rows: of the runs.
        varied: the settings in which they differ.
        margin: also say which runs are no worse than the best one by more than this share of the test CER.
    """
    kinds: dict[tuple[str, str], list[ComparedRow]] = {}
    groups = told_apart.groups(rows)  # of trainings and evaluations together: what is paired are their test lines
    grouped = told_apart.said(rows, groups) if groups else ""
    no_worse = {} if margin is None else told_apart.no_worse(rows, margin)
    for row in rows:
        kinds.setdefault((row["task"], row["verb"]), []).append(row)
    for number, ((task, verb), alike) in enumerate(kinds.items()):
        if len(kinds) > 1:
            word = "evaluations" if verb == "evaluate" else "trainings"
            if number:
                out.print()
            out.print(Text(f"{task}: {word}", style="bold"))
        differing = [key for key in varied if len({repr(row["settings"].get(key)) for row in alike}) > 1]
        if "dataset.name" in differing and len({compared_on(row) for row in alike}) > 1:
            differing.remove("dataset.name")  # which is said with the number of each test
        _show_alike(out, alike, differing, groups, grouped, no_worse)
        show_experiments(out, alike)
        if spent := [cost for row in alike if (cost := row["cost"])]:
            out.print(Text(f"cost of {counted(len(spent), 'training')}: {costs.said(costs.together(spent))}"))
    if margin is not None:
        out.print(Text(told_apart.SAID_NO_WORSE.format(margin=f"{100 * margin:g}")))


def _show_alike(
    out: Console,
    rows: Sequence[ComparedRow],
    varied: Sequence[str],
    groups: Mapping[str, int],
    grouped: str,
    no_worse: Mapping[str, bool],
) -> None:
    """Print runs of one task and verb: as many of the settings as there is room for, and what a reader must know."""
    tests = test_sets.numbered(rows)
    data = _data(rows)
    mixed = len({row["kraken"] for row in rows} - {NO_KRAKEN}) > 1
    own = task_of(rows[0]["task"])
    columns = [column for column in own.compare_columns if rows[0]["verb"] != "evaluate" or column.key in EVALUATED]
    marks: dict[str, Cell] = {
        "test": lambda row: tests[compared_on(row)] if len(tests) > 1 else "",
        "data": lambda row: data.get(str(row["dataset_digest"]), ""),
        "kraken": lambda row: row["kraken"] if mixed else "",
        "group": lambda row: str(groups.get(row["folder"], "")),
        "no worse": lambda row: "" if (sure := no_worse.get(row["folder"])) is None else "yes" if sure else "?",
        "note": lambda row: ", ".join([*["changed"] * bool(changed(row)), *["worse"] * bool(worse(row))]),
        "left out": test_sets.left_out,
        "leakage": lambda row: ", ".join(row["leakage"]),
        "trained on": lambda row: row["trained_on"] if row["unknown_data"] else "",
        "convention": lambda row: (row["conventions"] or "") if row["convention_mismatch"] else "",
        "resumed at": resumptions.shown,
    }
    named: Columns = {"run": [row["run"] for row in rows]}
    named |= {name: texts for name, cell in marks.items() if any(texts := [cell(row) for row in rows])}
    figures: Columns = {"state": [row["state"] for row in rows]}
    for column in columns:
        figures[column.heading] = [own.shown(figure(row, column.key)) for row in rows]
        if column.key == "test" and any(row["cer_low"] is not None for row in rows):
            figures["95 %"] = [_interval(own, row) for row in rows]
        figures |= _reading(own, column.key, rows)
    less: Columns = {key: [str(row["settings"].get(key, "")) for row in rows] for key in varied}
    less |= {"epoch": ["" if row["epoch"] is None else str(row["epoch"]) for row in rows]}
    shown = _fitting(out.width, named | figures, less)
    cells = {name: texts for name, texts in (named | less | figures).items() if name not in less or name in shown}
    headings = {name: name if len(shown) == len(less) else short(name, list(cells)) for name in cells}
    out.print(_table({headings[name]: texts for name, texts in cells.items()}, out.width))
    if left := [key for key in varied if key not in shown]:
        out.print(
            Text(
                f"{counted(len(left), 'more setting')} {'differs' if len(left) == 1 else 'differ'}: {first_of(left, 3)}; `{own_command('compare --csv')}` has all"
            )
        )
    for line in test_sets.described(rows, tests):
        out.print(Text(line, style="yellow" if len(tests) > 1 else ""))
    for line in (*certainty.of_table(rows), *reading_part.sentences(rows)):
        out.print(Text(line, style="" if line == reading_part.SAID else "yellow"))
    if rows[0]["verb"] != "evaluate":
        for line in choice_by_validation.instead_of_best_test(rows):
            out.print(Text(line, style="yellow"))
    if data:
        out.print(Text(OTHER_DATA, style="yellow"))
    if not groups.keys().isdisjoint(row["folder"] for row in rows):
        out.print(Text(grouped))
    for said, runs in _sentences(rows).items():
        out.print(Text(f"{first_of(runs, 3)}: {said}", style="yellow"))
    if any(row["resumed_exactly"] is False for row in rows):
        out.print(Text(resumptions.INEXACT, style="yellow"))
    for said in dict.fromkeys(said for row in rows for said in row["unknown_data"]):
        out.print(Text(UNKNOWN_DATA.format(which=said), style="yellow"))
    for said in interim(rows):
        out.print(Text(said))
    if mixed:
        out.print(
            Text(
                "mixed: these runs used different versions of kraken, which cut lines out of the page differently: "
                "compare scores within one version",
                style="yellow",
            )
        )


def _table(columns: Columns, width: int) -> RenderableType:
    """The cells of runs; where there is no room for a table, a few lines for each."""
    right = {name for name in columns if name == "epoch" or name in FIGURES}
    if (whole := aligned(columns, right, width)) is not None:
        return whole
    if not narrow.fits(columns, width, ["run"]):
        return narrow.blocks(columns, width)
    table = Table(box=None, pad_edge=False)
    for name, column in columns.items():
        table.add_column(
            name,
            overflow="fold",
            justify="right" if name in right else "left",
            width=None if name == "run" else _width(name, column),
        )
    for row in zip(*columns.values()):
        table.add_row(*map(Text, row))
    return table


FIGURES = {column.heading for task in TASKS.values() for column in task.compare_columns} | {
    reading_part.HEADING,
    reading_part.BASE_HEADING,
}


def _interval(task: Task, row: RunRow) -> str:
    if row["cer_low"] is None or row["cer_high"] is None:
        return ""
    return between(task.shown(row["cer_low"]), task.shown(row["cer_high"]))


def _reading(task: Task, key: str, rows: Sequence[ComparedRow]) -> Columns:
    """The part of reading, which stands behind the CER that it is of; no columns where no run has it."""
    if key == "base_test":
        found = {reading_part.BASE_HEADING: [row["base_test_cer_reading"] for row in rows]}
    elif key == "test":
        found = {reading_part.HEADING: [row["test_cer_reading"] for row in rows]}
    else:
        return {}
    shown = {name: ["" if one is None else task.shown(one) for one in of] for name, of in found.items()}
    if key == "test":
        ends = [reading_part.interval_of(row, "test") for row in rows]
        shown[reading_part.INTERVAL_HEADING] = [
            "" if one is None else between(task.shown(one.low), task.shown(one.high)) for one in ends
        ]
    return {name: column for name, column in shown.items() if any(column)}


EVALUATED = ("test", "test_wer")
"""The figures of an evaluation: what it scores is no base of anything."""


def _width(heading: str, cells: Iterable[str]) -> int:
    """The width in which no word of a column is broken."""
    return max([*map(len, heading.split()), *map(len, cells)])


def _fitting(width: int, always: Columns, less: Columns) -> set[str]:
    """The less needed columns that a terminal has room for, the first ones first."""
    used = min(max(map(len, always["run"])), RUN_WIDTH)
    used += sum(2 + _width(name, column) for name, column in always.items() if name != "run")
    shown = set()
    for name, column in less.items():
        room = 2 + _width(short(name, list(less)), column)
        if used + room <= width:
            used += room
            shown.add(name)
    return shown


def _data(rows: Sequence[ComparedRow]) -> dict[str, str]:
    """Digest of ground truth -> its number, where runs on the same test pages have different ground truth."""
    pairs = dict.fromkeys((compared_on(row), row["dataset_digest"]) for row in rows)
    if len(pairs) == len({test for test, _ in pairs}):
        return {}
    return {str(digest): str(number) for number, digest in enumerate(dict.fromkeys(one for _, one in pairs), 1)}


OTHER_DATA = (
    "data: the ground truth of runs with different numbers differs (corrected, added or left out pages), and not their "
    "settings alone"
)
"""What stands below runs on the same test pages that learnt from different ground truth."""


def _sentences(rows: Sequence[ComparedRow]) -> dict[str, list[str]]:
    """What is to be said of runs, and of which."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for said in filter(None, (changed(row), worse(row), test_sets.left_out_in_words(row))):
            found.setdefault(said, []).append(row["run"])
    return found
