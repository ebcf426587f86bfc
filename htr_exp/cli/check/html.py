"""A check as one HTML page that needs nothing else: it can be mailed, printed, and opened without a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from markupsafe import Markup

from htr_exp import __version__
from htr_exp.cli.check.junit import where
from htr_exp.cli.check.result import SEVERITIES, Checked, KindFound
from htr_exp.core.files import utc_now
from htr_exp.core.html_page import jpeg_uri, rendered
from htr_exp.core.visible import Piece, pieces
from htr_exp.groundtruth.line_pictures import Excerpt, Picture, cut
from htr_exp.groundtruth.paths import Located
from htr_exp.report.font import font_uri

TEMPLATE = Path(__file__).with_name("page.html")

PICTURES = 6
"""Pictures of a kind of problem, unless asked otherwise."""
LISTED = 2000
"""Problems of a kind that are listed; the others are counted."""

_WHOLE_PAGE = ("size_mismatch", "image_rotated", "image_truncated", "image_twice", "image_without_xml", "pages_alike",
               "page_without_text")  # fmt: skip
# What is odd about them is not on the page but in the file: a picture would show nothing.
_NO_PICTURE = ("line_without_id", "line_without_type", "tag_unknown", "region_without_type", "duplicate_region_id",
               "kraken_reads_otherwise")  # fmt: skip


@dataclass(frozen=True)
class _Figure:
    """A picture with what stands below it."""

    where: str
    picture: Picture
    uri: str
    pieces: tuple[Piece, ...]


def render(checked: Checked, folders: Sequence[Path], *, pictures: int = PICTURES) -> str:
    """The HTML page, complete in itself.

    Args:
        checked: what was found.
        folders: of the dataset, as they were examined: pictures are cut from their images.
        pictures: how many of each kind of problem.
    """
    wanted = {kind.code: _wanted(kind, pictures) for kind in checked.kinds}
    everything = list(chain.from_iterable(wanted.values()))
    seen = cut(everything, checked.dataset, Located(folders)) if everything else {}
    figures = {code: [_figure(one, seen[one]) for one in ones] for code, ones in wanted.items()}
    values: dict[str, Any] = {
        "checked": checked,
        "dataset": checked.dataset,
        "severities": SEVERITIES,
        "figures": figures,
        "font": Markup(font_uri(_texts(checked, figures))),  # noqa: S704 - base64
        "listed": LISTED,
        "made": utc_now(),
        "version": __version__,
    }
    return rendered(TEMPLATE, values, filters={"where": where})


def _texts(checked: Checked, figures: Mapping[str, Sequence[_Figure]]) -> Iterator[str]:
    """Yield all in which signs of manuscripts may stand."""
    for section in checked.sections:
        yield from section.sentences
    for kind in checked.kinds:
        yield from (problem.message for problem in kind.problems[:LISTED])
        yield from (piece.text for figure in figures[kind.code] for piece in figure.pieces)


def _wanted(kind: KindFound, most: int) -> list[Excerpt]:
    """The lines of a kind that are shown: the first of each problem, then the second of each, and so on."""
    if kind.code in _WHOLE_PAGE:
        return [Excerpt(problem.file) for problem in kind.problems[:most]]
    if kind.code in _NO_PICTURE:
        return []
    again = kind.code == "duplicate_line_id"
    lines = [
        [problem.line] if problem.line else [one for one in problem.lines if one] for problem in kind.problems[:most]
    ]
    turns = zip_longest(*(ids[:most] for ids in lines))
    found = [
        Excerpt(problem.file, identifier, again)
        for turn in turns
        for problem, identifier in zip(kind.problems, turn)
        if identifier
    ]
    return list(dict.fromkeys(found))[:most]


def _figure(wanted: Excerpt, picture: Picture) -> _Figure:
    place = f"{wanted.file}:{wanted.line}" if wanted.line else wanted.file
    uri = jpeg_uri(picture.jpeg) if picture.jpeg else ""
    return _Figure(place, picture, uri, tuple(pieces(picture.text or "")))
