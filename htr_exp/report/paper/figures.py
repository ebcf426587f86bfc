"""The figures of a paper as PDF and PNG, to the same bytes each time and whatever the user's own matplotlib settings are."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from htr_exp.core.task import RECOGNITION
from htr_exp.core.text import counted, printable
from htr_exp.report.paper.evidence import Evidence, PaperRun
from htr_exp.report.paper.table import by_page, value_of
from htr_exp.runs.sweep_points import short
from htr_exp.scoring.forecast import Forecast

MOST_RUNS = 40
"""Runs that a figure shows, the best first."""
MOST_CURVES = 12
MOST_PAGES = 60
SCALE = 2.5
"""How many times the largest mean a learning curve shows: the interval of a few pages may reach 100 %."""
LONGEST = 36
"""Characters of a label."""
END = (LONGEST - 3) // 2
"""Characters of each end of a longer one: runs whose names begin alike differ at their end."""

HOLLOW = "; hollow: before training"
"""What the axis says of the scores of base models, where there are any."""

_WIDTH = 6.3
"""Inches: the text width of an A4 page."""
_BASE, _BEST, _GRID = "#8a8a8a", "#1f4e8c", "#dddddd"
_STYLE = {
    "font.family": "DejaVu Sans",  # which matplotlib brings
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "pdf.fonttype": 42,
    "savefig.bbox": "standard",
}
_METADATA: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {"Software": None}}


def paper_figures(found: Evidence) -> dict[str, bytes]:
    """File name -> the file, of each figure that these runs can fill."""
    drawn: dict[str, Callable[[], Figure | None]] = {
        "cer" if found.task is RECOGNITION else "scores": lambda: _scores(found),
        "cer_by_page": lambda: _pages(found.runs[0]),
        "curves": lambda: _curves(found),
        "learning_curve": lambda: _learning_curve(found),
        "matrix": lambda: _matrix(found),
    }
    files: dict[str, bytes] = {}
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sign that the font lacks is drawn as a box
        for name, draw in drawn.items():
            if (figure := draw()) is None:
                continue
            for kind, metadata in _METADATA.items():
                file = io.BytesIO()
                figure.savefig(file, format=kind, dpi=200, metadata=metadata)
                files[f"{name}.{kind}"] = file.getvalue()
    return files


def _scores(found: Evidence) -> Figure | None:
    """Each run: its base model, its model, and the interval of the latter."""
    runs = [one for one in found.runs if one.row["test"] is not None][:MOST_RUNS]
    if not runs:
        return None
    labels = [label(found, one) for one in runs]
    figure, axes = _figure(0.9 + sum(0.1 + 0.12 * len(one.splitlines()) for one in labels))
    rates = not found.task.higher_is_better
    factor = 100.0 if rates else 1.0
    for place, one in enumerate(runs):
        row = one.row
        if row["cer_low"] is not None and row["cer_high"] is not None:
            axes.plot([factor * row["cer_low"], factor * row["cer_high"]], [place, place], color=_BEST, linewidth=1.2)
        if row["base_test"] is not None:
            axes.plot(factor * row["base_test"], place, "o", color=_BASE, fillstyle="none", markersize=5)
        axes.plot(factor * (row["test"] or 0.0), place, "o", color=_BEST, markersize=5)
    _name_rows(axes, labels)
    hollow = HOLLOW if any(one.row["base_test"] is not None for one in runs) else ""
    axes.set_xlabel(f"test {found.task.score_label}{' (%)' if rates else ''}{hollow}")
    return figure


def _pages(best: PaperRun) -> Figure | None:
    """The CER of each test page of one run, before and after training."""
    pages = by_page(best)[:MOST_PAGES]
    if not pages:
        return None
    figure, axes = _figure(0.9 + 0.17 * len(pages))
    for place, page in enumerate(pages):
        if page["zero-shot CER"]:
            ends = [float(page["zero-shot CER"]), float(page["CER"])]
            axes.plot(ends, [place, place], color=_GRID, linewidth=2)
            axes.plot(ends[0], place, "o", color=_BASE, fillstyle="none", markersize=4)
        axes.plot(float(page["CER"]), place, "o", color=_BEST, markersize=4)
    _name_rows(axes, [_short(page["page"]) for page in pages])
    hollow = HOLLOW if any(page["zero-shot CER"] for page in pages) else ""
    axes.set_xlabel(f"CER (%) by test page{hollow}\n{_short(best.row['run'])}")
    return figure


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a figure, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0.0)
    axes.grid(axis="x", color=_GRID)


def _curves(found: Evidence) -> Figure | None:
    """The validation figure of each epoch, as kraken counts it while it trains."""
    runs = [one for one in found.runs if len(one.epochs) > 1][:MOST_CURVES]
    if not runs:
        return None
    figure, axes = _figure(3.0)
    factor = 1.0 if found.task.higher_is_better else 100.0
    for one in runs:
        values = [factor * found.task.figure(epoch) for epoch in one.epochs]
        axes.plot([epoch["epoch"] for epoch in one.epochs], values, linewidth=1.2, label=label(found, one))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(f"validation {found.task.curve_label}{'' if found.task.higher_is_better else ' (%)'}, kraken's")
    axes.set_ylim(bottom=0.0)
    axes.grid(color=_GRID)
    if len(runs) > 1:
        axes.legend(frameon=False)
    return figure


def _learning_curve(found: Evidence) -> Figure | None:
    """The mean score by pages to train on, with its interval over pages; the base model's on the left, the forecast on the right."""
    curves = [one for one in found.experiments if one.curve]
    if not curves:
        return None
    figure, axes = _figure(3.0)
    factor = 1.0 if found.task.higher_is_better else 100.0
    for number, curve in enumerate(curves):
        shown = [(one.name, one.only) for one in curve.conditions if one.only.mean is not None]
        places = range(len(shown))
        color = f"C{number}"
        axes.plot(
            places,
            [factor * (one.mean or 0.0) for _, one in shown],
            "o-",
            color=color,
            markersize=4,
            label=_short(curve.question),
        )
        for place, (_, one) in zip(places, shown):
            if one.interval is not None:
                axes.plot(
                    [place] * 2, [factor * one.interval.low, factor * one.interval.high], color=color, linewidth=1.2
                )
        names = [_short(name.rpartition("=")[2]) for name, _ in shown]
        if curve.forecast:
            start = max(place for place, name in enumerate(names) if name.isdecimal())  # all pages may come after it
            _promise(axes, start, shown[start][1].mean or 0.0, len(shown), curve.forecast, color)
            names += [f"{one.pages}\n(forecast)" for one in curve.forecast]
        axes.set_xticks(range(len(names)), names)
    means = [factor * one.mean for curve in curves for one in curve.measured if one.mean is not None]
    means += [100 * one.rate for curve in curves for one in curve.forecast]
    ends = [100 * one.interval.high for curve in curves for one in curve.forecast]
    ends += [factor * one.interval.high for curve in curves for one in curve.measured if one.interval is not None]
    top = 1.05 * min(max([*means, *ends]), SCALE * max(means))
    cut = any(end > top for end in ends)
    axes.set_xlabel(f"pages to train on{'; intervals that leave the figure are in conditions.csv' if cut else ''}")
    axes.set_ylabel(f"{curves[0].side} {found.task.score_label}{'' if found.task.higher_is_better else ' (%)'}")
    axes.set_ylim(0.0, top or 1.0)
    axes.grid(axis="y", color=_GRID)
    if len(curves) > 1:
        axes.legend(frameon=False)
    return figure


def _matrix(found: Evidence) -> Figure | None:
    """Each model on each test: the score as a number and as a shade, with its interval below it."""
    matrix = next((one for one in found.experiments if one.is_matrix), None)
    if matrix is None or not any(one.mean is not None for one in matrix.measured):
        return None
    rows = matrix.conditions[:MOST_RUNS]
    figure, axes = _figure(1.2 + 0.45 * len(rows))
    factor, digits = (1.0, 3) if found.task.higher_is_better else (100.0, 1)
    values = [
        [math.nan if cell is None or cell.mean is None else factor * cell.mean for cell in one.on] for one in rows
    ]
    darkest = max(value for row in values for value in row if not math.isnan(value))
    shades = "Blues_r" if found.task.higher_is_better else "Blues"
    axes.imshow(values, cmap=shades, vmin=0.0, vmax=1.3 * darkest or 1.0, aspect="auto")
    for row, one in enumerate(rows):
        for column, cell in enumerate(one.on):
            if cell is None or cell.mean is None:
                continue
            said = f"{factor * cell.mean:.{digits}f}"
            if cell.interval is not None:
                said += f"\n{factor * cell.interval.low:.{digits}f} to {factor * cell.interval.high:.{digits}f}"
            dark = (values[row][column] > 0.75 * darkest) is not found.task.higher_is_better
            axes.text(column, row, said, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    axes.set_xticks(range(len(matrix.tests)), [_short(test) for test in matrix.tests])
    axes.set_yticks(range(len(rows)), [_short(one.name.removeprefix("model=")) for one in rows])
    axes.set_xlabel(f"{matrix.side} {found.task.score_label}{'' if factor == 1 else ' (%)'}, 95 % over pages below it")
    return figure


def _promise(axes: Axes, start: int, last: float, ahead: int, forecast: Sequence[Forecast], color: str) -> None:
    """Draw a forecast as a dashed line with a band, from the last point that it was made of; of error rates, in percent."""
    places = [start, *range(ahead, ahead + len(forecast))]
    rates, low, high = (
        [100 * share for share in (last, *shares)]
        for shares in zip(*((one.rate, one.interval.low, one.interval.high) for one in forecast))
    )
    axes.plot(places, rates, "--", color=color, linewidth=1.2)
    axes.fill_between(places, low, high, color=color, alpha=0.15, linewidth=0)


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def label(found: Evidence, one: PaperRun) -> str:
    """What figures call a run: by what varies."""
    words = [f"{short(key, found.varied)}={value_of(one, key)}" for key in found.varied]
    if not words:
        return _short(one.row["run"])
    # each value keeps its own ends: shortened as a whole, runs that differ in the middle would look alike
    return "\n".join(
        textwrap.wrap(" ".join(map(_short, words)), LONGEST, break_long_words=False, break_on_hyphens=False)
    )


def _short(text: str) -> str:
    said = printable(text)
    if len(said) > LONGEST:
        said = f"{said[:END]}...{said[-END:]}"
    return said.replace("$", r"\$")  # two of them would be a formula


def alternative(name: str, runs: Sequence[PaperRun]) -> str:
    """What a figure shows, for those who cannot see it."""
    return {
        "cer": f"Test CER of {counted(len(runs), 'run')}, with intervals",
        "scores": f"Test scores of {counted(len(runs), 'run')}",
        "cer_by_page": "CER of each test page of the first run",
        "curves": "Validation figures by epoch",
        "learning_curve": "Mean score by pages to train on, with intervals over pages",
        "matrix": "The score of each model on each test, with intervals over pages",
    }[name]
