"""How a prediction is scored against its reference: one policy, applied alike to every model, base or trained.

Both sides pass through the same reordering, whatever the direction of the script (`text_order.py`): for `cer` and `wer` to
display order and back, for `cer_raw` to display order. A prediction is in display order already.

All rates are micro averages: edits summed over all lines, divided by the units of all references, as kraken computes
them (`ketos test`, through torchmetrics' CharErrorRate). They are shares, not percent, and can exceed 1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import regex
from rapidfuzz.distance import Levenshtein

from htr_exp.scoring.folding import Folding
from htr_exp.scoring.text_order import Release, blanks, display_order, logical_order

# Extended grapheme clusters, UAX #29: what a reader takes for one character.
CLUSTER = regex.compile(r"\X")

# Without one of these every cluster is one code point: all rules of UAX #29 that join (GB3, GB6 to GB13) need one.
JOINING = regex.compile(r"[^\p{Grapheme_Cluster_Break=Other}\p{Grapheme_Cluster_Break=Control}]")

# Where the only ones are the common combining marks, a cluster is a code point and the marks after it (GB9): a third of
# the time of \X. A control character takes no mark (GB4), so texts with one are left to \X.
MARKS = "\u0300-\u036f\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f"
MARKED_CLUSTER = re.compile(f".[{MARKS}]*", re.DOTALL)
BEYOND_MARKS = regex.compile(rf"[^\p{{Grapheme_Cluster_Break=Other}}{MARKS}]")

FIRST_CODE_PAST_UNICODE = 0x110000


KINDS = ("insertions", "deletions", "substitutions")
"""The errors of `cer` by kind: read where nothing is written, written and not read, read as another one."""


RATES = {
    "cer": ("errors", "characters"),
    "cer_raw": ("errors_raw", "characters_raw"),
    "cer_nospace": ("errors_nospace", "characters_nospace"),
    "cer_folded": ("errors_folded", "characters_folded"),
    "wer": ("word_errors", "words"),
}
"""A rate -> its errors and what they are divided by, of a `Score`."""


@dataclass(frozen=True, slots=True)
class LinePair:
    """One line of a page: what it says and what a model read.

    Attributes:
        page: the page's name.
        line: the line's id on the page.
        reference: the transcription, in logical order, as ground truth has it.
        hypothesis: the prediction in display order, as kraken writes it with `--no-reorder`; None if the model gave none,
            which counts as empty.
    """

    page: str
    line: str
    reference: str
    hypothesis: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """Edits and reference units of a set of lines, and the error rates that follow.

    Attributes:
        errors, characters: in grapheme clusters of what is compared in logical order, after NFC and with white space
            normalised.
        insertions, deletions, substitutions: the same errors by kind (`edits`); their sum is `errors`.
        errors_raw, characters_raw: in code points in display order, each white-space character as a blank.
        errors_nospace, characters_nospace: as `errors`, without the blanks.
        errors_folded, characters_folded: as `errors`, after a `Folding`; 0 without one.
        word_errors, words: in tokens between whitespace, after the same normalisation as `errors`.
        lines, pages: how many were scored.
        per_page: the score of each page, by name in code point order; empty for the score of a page.
    """

    errors: int
    insertions: int
    deletions: int
    substitutions: int
    characters: int
    errors_raw: int
    characters_raw: int
    errors_nospace: int
    characters_nospace: int
    errors_folded: int
    characters_folded: int
    word_errors: int
    words: int
    lines: int
    pages: int
    per_page: tuple[tuple[str, Score], ...] = ()
    is_folded: bool = False

    @property
    def rates(self) -> tuple[str, ...]:
        """The keys of `RATES` that were counted."""
        return tuple(rate for rate in RATES if rate != "cer_folded" or self.is_folded)

    @property
    def cer(self) -> float:
        """The character error rate on NFC grapheme clusters, the policy of OCR-D's dinglehopper.

        The reference goes to display order and back, the prediction back, by the same function, before clusters are cut.
        Runs of whitespace count as one blank and those at the ends of a line not at all.
        """
        return rate(self.errors, self.characters)

    @property
    def cer_raw(self) -> float:
        """The character error rate on code points in display order, each white-space character a blank, ends stripped.

        Equals `ketos test -B 1` with its defaults on the same lines; 4.3.13 also counts blanks at the ends of predictions.
        """
        return rate(self.errors_raw, self.characters_raw)

    @property
    def cer_nospace(self) -> float:
        """The character error rate on the clusters of `cer` without the blanks: what is read where words are not divided."""
        return rate(self.errors_nospace, self.characters_nospace)

    @property
    def cer_folded(self) -> float:
        """The character error rate after both sides passed through the same `Folding`."""
        return rate(self.errors_folded, self.characters_folded)

    @property
    def wer(self) -> float:
        """The word error rate."""
        return rate(self.word_errors, self.words)

    def to_json(self, *, per_page: bool = False) -> dict[str, Any]:
        """The score as it stands in `results.json`.

        Args:
            per_page: add the list `per_page`, one entry a page.
        """
        errors, *others = (count for of in self.rates for count in RATES[of])
        counts = (errors, *KINDS, *others)
        record: dict[str, Any] = {key: getattr(self, key) for key in (*self.rates, *counts, "lines", "pages")}
        if per_page:
            listed = (*self.rates, *counts, "lines")
            record["per_page"] = [
                {"page": page, **{key: getattr(one, key) for key in listed}} for page, one in self.per_page
            ]
        return record


def rate(errors: int, units: int) -> float:
    """Edits per reference unit; over an empty reference 0 if nothing was recognised, else 1.

    The second case is a decision, not mathematics: kraken gives NaN and dinglehopper infinity there, and neither can be
    averaged, compared or written as JSON. An empty reference among others needs no rule: its edits count in the sum.
    """
    if units == 0:
        return 0.0 if errors == 0 else 1.0
    return errors / units


class Codes(dict[str, int]):
    """A number for each text: its code point if it is one, else one past Unicode, given at first sight.

    rapidfuzz compares numbers with the code points of strings exactly, but other objects by hash alone.
    """

    def __missing__(self, text: str) -> int:
        code = ord(text) if len(text) == 1 else FIRST_CODE_PAST_UNICODE + len(self)
        self[text] = code
        return code


def score(pairs: Iterable[LinePair], release: Release = "7.1", folding: Folding | None = None) -> Score:
    """Score predictions against their references, over all lines and by page.

    Args:
        pairs: the lines.
        release: of the kraken that read them, whose display order the predictions have.
        folding: of `cer_folded`, which is not counted without it.
    """
    tallies: dict[str, list[int]] = {}
    codes, folded = Codes(), folding is not None
    for pair in pairs:
        tally = tallies.setdefault(pair.page, [0] * len(_COUNTED))
        shown = display_order(pair.reference, release)
        for index, count in enumerate((*_line_counts(shown, pair.hypothesis or "", codes, folding), 1)):
            tally[index] += count
    counted = ((page, dict(zip(_COUNTED, tallies[page]))) for page in sorted(tallies))
    return together([(page, Score(**counts, pages=1, per_page=(), is_folded=folded)) for page, counts in counted])


def together(pages: Sequence[tuple[str, Score]]) -> Score:
    """The score of several pages, of which each has its name and its own score."""
    totals = {count: sum(getattr(score, count) for _, score in pages) for count in _COUNTED}
    return Score(**totals, pages=len(pages), per_page=tuple(pages), is_folded=any(one.is_folded for _, one in pages))


_COUNTED = ("errors", *KINDS, *[count for of in RATES.values() for count in of][1:], "lines")
"""What is counted of each line, in the order of the fields of `Score`."""


def normalise(displayed: str) -> str:
    """A displayed text as `cer` and `wer` see it: in logical order, NFC, every run of whitespace one blank, none at the ends."""
    text = logical_order(displayed)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def counts(expected: str, recognised: str, codes: Codes) -> tuple[int, int, int, int]:
    """Errors, characters, word errors and words of two normalised texts, the reference first."""
    words, characters = expected.split(), clusters(expected)
    if expected == recognised:
        return 0, len(characters), 0, len(words)
    errors = Levenshtein.distance(numbers(characters, codes), numbers(clusters(recognised), codes))
    word_errors = Levenshtein.distance(numbers(words, codes), numbers(recognised.split(), codes))
    return errors, len(characters), word_errors, len(words)


def edits(expected: str | list[int], recognised: str | list[int]) -> tuple[int, int, int]:
    """Insertions, deletions and substitutions that make the reference what was read: as few together as possible.

    Several alignments can have as few: `ab` read as `ba` has an insertion and a deletion, or two substitutions. Counted is
    the one that rapidfuzz's `Levenshtein.editops` gives (here the first), which the report shows, too (`differences.aligned`).

    Args:
        expected: the clusters of the reference, as `numbers` has them.
        recognised: those of what was read, likewise.
    """
    found = Levenshtein.editops(expected, recognised).as_list()
    substitutions = [tag for tag, _, _ in found].count("replace")
    more = len(recognised) - len(expected)  # insertions less deletions
    insertions = (len(found) - substitutions + more) // 2
    return insertions, insertions - more, substitutions


def _line_counts(reference: str, hypothesis: str, codes: Codes, folding: Folding | None) -> tuple[int, ...]:
    """The first fields of a `Score`, up to `words`, of one line; both texts in display order."""
    expected = normalise(reference)
    recognised = expected if reference == hypothesis else normalise(hypothesis)
    words, characters = expected.split(), numbers(clusters(expected), codes)
    letters = _without_blanks(characters)
    folded = "" if folding is None else numbers(clusters(folding(expected)), codes)
    kinds, nospace_errors, folded_errors, word_errors = (0, 0, 0), 0, 0, 0
    if expected != recognised:
        read = numbers(clusters(recognised), codes)
        kinds = edits(characters, read)
        nospace_errors = Levenshtein.distance(letters, _without_blanks(read))
        word_errors = Levenshtein.distance(numbers(words, codes), numbers(recognised.split(), codes))
        if folding is not None:
            folded_errors = Levenshtein.distance(folded, numbers(clusters(folding(recognised)), codes))
    raw, read_raw = blanks(reference), blanks(hypothesis)
    return (
        *(sum(kinds), *kinds, len(characters)),
        *(Levenshtein.distance(raw, read_raw), len(raw)),
        *(nospace_errors, len(letters)),
        *(folded_errors, len(folded)),
        *(word_errors, len(words)),
    )


def _without_blanks(characters: str | list[int]) -> str | list[int]:
    """The clusters of a normalised text but for those that are a blank: a mark that follows one stays."""
    if isinstance(characters, str):
        return characters.replace(" ", "")
    return [one for one in characters if one != _BLANK]


_BLANK = ord(" ")


def clusters(text: str) -> str | list[str]:
    """The grapheme clusters of a normalised text: the text itself where each is a code point."""
    if text.isascii() or JOINING.search(text) is None:
        return text
    found: list[str] = (CLUSTER if BEYOND_MARKS.search(text) else MARKED_CLUSTER).findall(text)
    return found


def numbers(texts: str | list[str], codes: Codes) -> str | list[int]:
    """A number for each of several texts; what is one text already stays it."""
    return texts if isinstance(texts, str) else list(map(codes.__getitem__, texts))
