"""The report of a run as one HTML page that needs nothing else: it can be mailed, printed, and opened without a network.

It is made of the run folder alone (`contents`), to the same bytes each time. So it has no seal: whoever wants to be
sure makes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup

from htr_exp.core.files import write_atomically
from htr_exp.core.html_page import rendered
from htr_exp.core.task import END_TO_END_COLUMNS
from htr_exp.core.text import printable, sentence
from htr_exp.core.visible import Piece
from htr_exp.report import curve
from htr_exp.report.contents import Contents, contents
from htr_exp.report.figures import ARROW
from htr_exp.report.font import font_uri
from htr_exp.runs.run_dir import RunDir

TEMPLATE = Path(__file__).with_name("page.html")

PAGES_SHOWN = 40
"""Pages in the table that are seen at once; the others are folded away."""
PAGES_LISTED = 1000


def render(shown: Contents) -> str:
    """The HTML page, complete in itself.

    Names, ids and texts are of somebody else: all is escaped, there is no script, and what could turn the direction of
    the page or cannot be seen is shown as an escape.
    """
    values: dict[str, Any] = {
        "shown": shown,
        "arrow": ARROW,
        "font": Markup(font_uri(_texts(shown))),  # noqa: S704 - base64
        "curve": curve,
        "end_to_end_columns": [column.heading for column in END_TO_END_COLUMNS],
        "pages_shown": PAGES_SHOWN,
        "pages_listed": PAGES_LISTED,
    }
    return rendered(TEMPLATE, values, filters={"sentence": sentence}, finalize=_safe)


def _safe(value: Any) -> Any:
    """A value as it goes into the page, before it is escaped."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else printable(value)


def _texts(shown: Contents) -> Iterator[str]:
    """Yield all that is set in the font of manuscripts."""
    if shown.lines is None:
        return
    for one in shown.lines.shown:
        yield from _written(one.reference)
        for reading in one.readings:
            for stretch in reading.stretches:
                yield from _written(stretch.pieces)
    for _, confusions in shown.lines.confused:
        for confusion in confusions:
            yield from _written((*confusion.expected, *confusion.read))


def _written(pieces: tuple[Piece, ...]) -> Iterator[str]:
    return (piece.text for piece in pieces)


def report_of(run: RunDir) -> bytes:
    """The report of a run, to the same bytes wherever and whenever it is made.

    Raises:
        NoScoresError: it has no scores yet.
        BrokenRunError: its records cannot be read.
    """
    return render(contents(run)).encode("utf-8", "backslashreplace")


def write_report(run: RunDir) -> Path:
    """Write the report into the run folder.

    Raises:
        OSError: the folder cannot be written.
        NoScoresError, BrokenRunError: as of `report_of`.
    """
    write_atomically(run.report, report_of(run))
    return run.report
