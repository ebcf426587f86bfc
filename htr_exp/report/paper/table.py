"""The table of a paper: what each run gained, with its interval, as LaTeX, CSV, Markdown and HTML have it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from htr_exp.core.task import RECOGNITION, Task, task_of
from htr_exp.core.text import between, counted, joined, printable, sentence
from htr_exp.report.paper.evidence import Evidence, PaperRun
from htr_exp.report.paper.latex import escaped
from htr_exp.runs import certainty, reading_part, test_sets, told_apart
from htr_exp.runs.certainty import points
from htr_exp.runs.experiment_table import columns, notes
from htr_exp.runs.experiments import Experiment
from htr_exp.runs.rows import compared_on, counted_figures, figure, shown_figures, worse
from htr_exp.runs.sweep_points import short

Cell = Callable[[PaperRun], str]

INTERVALS = (
    "Intervals (95 %): jackknife that leaves out one page at a time, or one group of pages, with Student's t; on the "
    "logarithm of a CER, and on the difference itself for a gain, which is of the same lines before and after training."
)


@dataclass(frozen=True)
class PaperTable:
    """A table as it is printed.

    Attributes:
        caption: what it shows, a sentence.
        headings: of the columns.
        figures: which of the columns hold figures, by heading.
        rows: cells, each as long as the headings; "" where there is nothing.
        notes: what a reader must know, sentences.
    """

    caption: str
    headings: tuple[str, ...]
    figures: frozenset[str]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    def latex(self) -> str:
        """A LaTeX table that needs the package booktabs alone."""
        columns = "".join("r" if name in self.figures else "l" for name in self.headings)
        body = [" & ".join(map(escaped, row)) + r" \\" for row in self.rows]
        notes = " ".join(map(escaped, self.notes))
        lines = [
            r"% needs \usepackage{booktabs}; letters beyond those of western languages need LuaLaTeX or XeLaTeX",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(self.caption)}}}",
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            " & ".join(map(escaped, self.headings)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\par\smallskip\footnotesize {notes}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def csv(self) -> str:
        """The same for a spreadsheet; the notes are not in it."""
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.headings, *self.rows])
        return file.getvalue()

    def markdown(self) -> str:
        """The same as Markdown."""
        rule = ["--:" if name in self.figures else "---" for name in self.headings]
        rows = [self.headings, rule, *self.rows]
        table = "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)
        return "\n\n".join([self.caption, table, *self.notes]) + "\n"


def paper_table(found: Evidence) -> PaperTable:
    """The table of what runs gained; percent, without the sign."""
    tests, groups = test_sets.numbered(found.rows), told_apart.groups(found.rows)
    named = _settings(found) | {
        "test": (lambda one: tests[compared_on(one.row)]) if len(tests) > 1 else lambda one: "",
        "train pages": _train_pages,
    }
    figures = _recognition() if found.task is RECOGNITION else _others(found.task)
    figures |= {"group": lambda one: str(groups.get(one.row["folder"], ""))}
    cells = {name: cell for name, cell in (named | figures).items() if any(map(cell, found.runs))}
    return PaperTable(
        _caption(found),
        tuple(cells),
        frozenset(figures) | {"train pages"},
        tuple(tuple(printable(cell(one)) for cell in cells.values()) for one in found.runs),
        tuple(_notes(found, tests, groups)),
    )


def condition_tables(found: Evidence) -> list[PaperTable]:
    """The table of each experiment among the runs: those that differ in their seed alone are one row."""
    return [_of_conditions(one) for one in found.experiments]


def _of_conditions(found: Experiment) -> PaperTable:
    label = task_of(found.task).score_label
    cells = {name or "condition": column for name, column in columns(found).items()}
    of = "each model on each test" if found.is_matrix else "each model"
    if not found.evaluated:
        label, of = f"mean {label}", "the runs that differ in their seed alone"
    return PaperTable(
        f"{found.question}: {label} of {of}.",
        tuple(map(printable, cells)),
        frozenset(map(printable, list(cells)[2 if found.is_matrix else 1 :])),
        tuple(zip(*([printable(cell) for cell in column] for column in cells.values()))),
        tuple(map(sentence, notes(found))),
    )


def _settings(found: Evidence) -> dict[str, Cell]:
    """What tells the runs apart: the settings in which they differ, or else their names."""
    if not found.varied:
        return {"run": lambda one: one.row["run"]}
    return {short(key, found.varied): _setting(key) for key in found.varied}


def _setting(key: str) -> Cell:
    return lambda one: value_of(one, key)


def value_of(one: PaperRun, key: str) -> str:
    """A setting of a run as it is typed, numbers to four digits; "" where it has none."""
    value = one.row["settings"].get(key)
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _train_pages(one: PaperRun) -> str:
    split = one.facts.get("split") or {}
    return str(split["train"]["pages"]) if "train" in split and one.row["verb"] != "evaluate" else ""


def _recognition() -> dict[str, Cell]:
    return {
        "zero-shot CER": lambda one: _percent(one.row["base_test"]),
        "zero-shot reading": lambda one: _percent(one.row["base_test_cer_reading"]),
        "CER": lambda one: _percent(one.row["test"]),
        "95 %": lambda one: _between(_percent(one.row["cer_low"]), _percent(one.row["cer_high"])),
        reading_part.HEADING: lambda one: _percent(one.row["test_cer_reading"]),
        reading_part.INTERVAL_HEADING: lambda one: _between(
            _percent(one.row["test_cer_reading_low"]), _percent(one.row["test_cer_reading_high"])
        ),
        "gain": lambda one: points(one.row["gain"]["cer"]) if one.row["gain"] else "",
        "gain, 95 %": lambda one: (
            _between(points(one.row["gain"]["cer_low"]), points(one.row["gain"]["cer_high"])) if one.row["gain"] else ""
        ),
        "WER": lambda one: _percent(one.row["test_wer"]),
        "validation CER": lambda one: _percent(one.row["val"]),
    }


def _others(task: Task) -> dict[str, Cell]:
    def cell(key: str) -> Cell:
        return lambda one: "" if (value := figure(one.row, key)) is None else task.shown(value)

    return {column.heading: cell(column.key) for column in task.compare_columns}


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


def _between(low: str, high: str) -> str:
    return between(low, high) if low and high else ""


def _caption(found: Evidence) -> str:
    first = found.runs[0].row
    datasets = joined(sorted({row["dataset"] for row in found.rows}))
    scores = shown_figures(first["scores"]["test"])
    if len({compared_on(row) for row in found.rows}) > 1 or scores is None:
        return f"{found.task.score_label} on pages of {datasets}."
    of = f"{counted(scores['pages'], 'page')}, {counted(scores['lines'], 'line')}, {counted(scores['characters'], 'character')}"
    return f"{found.task.score_label} in percent on the test pages of {datasets} ({of})."


def _notes(found: Evidence, tests: dict[str, str], groups: Collection[str]) -> list[str]:
    rows = found.rows
    notes = [sentence(said) for said in test_sets.described(rows, tests)]
    if any(row["cer_low"] is not None for row in rows):
        notes.append(INTERVALS)
    notes += map(sentence, certainty.of_table(rows))
    notes += [sentence(said) for said in reading_part.sentences(rows)]
    if groups:
        notes.append(sentence(told_apart.said(rows, groups)))
    notes += [f"{row['run']}: {said}." for row in rows if (said := worse(row))]
    notes += [f"{row['run']}: accepted leaks: {', '.join(row['leakage'])}." for row in rows if row["leakage"]]
    notes += [sentence(said) for said in dict.fromkeys(said for row in rows for said in row["unknown_data"])]
    if found.without:
        notes.append(
            f"Without scores, and not in the table: {joined([f'{name} ({why})' for name, why in found.without])}."
        )
    return notes


def by_page(one: PaperRun) -> list[dict[str, str]]:
    """The CER of each test page before and after training, in percent, as a spreadsheet has it."""
    scores = one.row["scores"]["test"]
    last = shown_figures(scores)
    if last is None or counted_figures(scores) is None:
        return []
    base = {page["page"]: page for page in ((scores.get("base") or {}).get("per_page") or [])}
    return [
        {
            "page": printable(page["page"]),
            "lines": str(page["lines"]),
            "characters": str(page["characters"]),
            "zero-shot CER": _percent(base[page["page"]]["cer"]) if page["page"] in base else "",
            "CER": _percent(page["cer"]),
        }
        for page in last["per_page"]
    ]


def as_csv(rows: Sequence[dict[str, str]]) -> str:
    """Rows of the same keys as CSV."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
