"""The held-out lines of a recognition beside what was read in them: the worst ones, and the characters that were confused."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from htr_exp.core.files import read_jsonl
from htr_exp.core.visible import Piece, pieces
from htr_exp.runs.run_dir import RunDir
from htr_exp.scoring.differences import Confusions, Step, aligned, confusions, errors
from htr_exp.scoring.lines import Codes, clusters, normalise

LINES = 16
"""The worst lines that are shown."""
CONFUSIONS = 15
"""The most frequent confusions that are shown of each model."""
LONGEST = 2000
"""Characters of a line that are compared here: to line up two texts of a million takes all memory."""
MOST_SHOWN = 400
"""Characters of a line that are shown."""

Kind = Literal["", "other", "more", "missing"]


@dataclass(frozen=True)
class ScoredLine:
    """A line, and how each model read it.

    Attributes:
        page: its name.
        line: its id.
        direction: in which it is written, by its first letter.
        characters: of the reference.
        readings: model (base and best, or model) -> reference and reading side by side.
        is_cut: the line is longer than what is compared.
    """

    page: str
    line: str
    direction: Literal["ltr", "rtl"]
    characters: int
    readings: Mapping[str, tuple[Step, ...]]
    is_cut: bool


@dataclass(frozen=True)
class Stretch:
    """A part of a reading.

    Attributes:
        kind: "" as in the reference; other: something else is written there; more: nothing is; missing: what was not read.
        pieces: its text.
        said: what is written there, in words.
    """

    kind: Kind
    pieces: tuple[Piece, ...]
    said: str = ""


@dataclass(frozen=True)
class Confusion:
    """An edit, and how often each model made it.

    Attributes:
        expected: as it is shown; empty where something was read that is not written.
        read: likewise; empty where nothing was read.
        counts: one for each model.
    """

    expected: tuple[Piece, ...]
    read: tuple[Piece, ...]
    codes: str
    counts: tuple[int, ...]


def scored_lines(run: RunDir, side: str, models: Sequence[str]) -> list[ScoredLine]:
    """The lines of one side of the split, compared as they are scored.

    Args:
        run: its folder.
        side: test or validation.
        models: whose readings are wanted.
    """
    codes = Codes()
    return [_scored(row, models, codes) for row in read_jsonl(run.predictions_of(side)) if _is_line(row, models)]


def _is_line(row: dict[str, Any], models: Sequence[str]) -> bool:
    shown = row.get("display") or row
    texts = [row.get("page"), row.get("line"), row.get("reference")]
    return (
        isinstance(shown, dict)
        and all(isinstance(one, str) for one in texts)
        and all(isinstance(shown.get(name), str | None) for name in ("reference", *models))
    )


def _scored(row: dict[str, Any], models: Sequence[str], codes: Codes) -> ScoredLine:
    shown = row.get("display") or row  # what is displayed is what is compared
    reference, was_cut = _cut(normalise(shown.get("reference") or ""))
    texts = {name: _cut(normalise(shown.get(name) or "")) for name in models}
    return ScoredLine(
        page=row["page"],
        line=row["line"],
        direction=direction(reference),
        characters=len(clusters(reference)),
        readings={name: aligned(reference, text, codes) for name, (text, _) in texts.items()},
        is_cut=was_cut or any(cut for _, cut in texts.values()),
    )


def _cut(text: str) -> tuple[str, bool]:
    if len(text) <= LONGEST:
        return text, False
    return "".join(clusters(text)[:LONGEST]), True


def direction(text: str) -> Literal["ltr", "rtl"]:
    """In which direction a text is written: by its first letter."""
    for sign in text:
        kind = unicodedata.bidirectional(sign)
        if kind in ("L", "R", "AL"):
            return "ltr" if kind == "L" else "rtl"
    return "ltr"


def worst(lines: Sequence[ScoredLine], model: str, count: int = LINES) -> list[ScoredLine]:
    """The lines in which a model made most errors, the worst first; none without an error."""
    wrong = [(errors(line.readings[model]), line) for line in lines]
    wrong = [(number, line) for number, line in wrong if number]
    wrong.sort(key=lambda one: (-one[0], one[1].characters, one[1].page, one[1].line))
    return [line for _, line in wrong[:count]]


def stretches(steps: Sequence[Step]) -> Iterator[Stretch]:
    """Yield what was read in a line in parts, each as it is in the reference or not."""
    for kind, of_kind in groupby(steps[:MOST_SHOWN], _kind):
        same = list(of_kind)
        expected, read = "".join(step.expected for step in same), "".join(step.read for step in same)
        said = {"": "", "other": f"instead of {expected}", "more": "not written there", "missing": "not read"}[kind]
        yield Stretch(kind, _shown(expected if kind == "missing" else read, marked=bool(kind)), said)
    if len(steps) > MOST_SHOWN:
        yield Stretch("", (Piece("\N{HORIZONTAL ELLIPSIS}"),))


def _kind(step: Step) -> Kind:
    if not step.is_error:
        return ""
    return "other" if step.expected and step.read else "more" if step.read else "missing"


def reference_of(steps: Sequence[Step]) -> tuple[Piece, ...]:
    """The reference of a line that is compared."""
    text = "".join([step.expected for step in steps if step.expected][:MOST_SHOWN])
    return _shown(text, marked=False)


def _shown(text: str, *, marked: bool) -> tuple[Piece, ...]:
    """A text whose blanks are seen where they are what differs, and whose first mark has something to stand on."""
    if text and unicodedata.category(text[0]).startswith("M"):
        text = f"\N{DOTTED CIRCLE}{text}"
    found = pieces(text, whole=False)
    if marked:
        found = [one if one.mark else Piece(one.text.replace(" ", "\N{OPEN BOX}")) for one in found]
    return tuple(found)


def most_confused(lines: Sequence[ScoredLine], models: Sequence[str], by: str) -> list[Confusion]:
    """The edits that a model made most often, with how often each model made them."""
    made: dict[str, Confusions] = {name: confusions(line.readings[name] for line in lines) for name in models}
    ranked = sorted(made[by].items(), key=lambda one: (-one[1], one[0]))
    return [
        Confusion(
            _shown(step.expected, marked=True),
            _shown(step.read, marked=True),
            f"{_codes(step.expected)} read as {_codes(step.read)}",
            tuple(made[name][step] for name in models),
        )
        for step, _ in ranked[:CONFUSIONS]
    ]


def _codes(text: str) -> str:
    return " ".join(f"U+{ord(sign):04X}" for sign in text[:8]) or "nothing"


def kinds_of_errors(lines: Sequence[ScoredLine], model: str) -> dict[Kind, int]:
    """How many characters a model read as others, too many, and not at all."""
    found: dict[Kind, int] = {"other": 0, "missing": 0, "more": 0}
    for line in lines:
        for step in line.readings[model]:
            if step.is_error:
                found[_kind(step)] += 1
    return found
