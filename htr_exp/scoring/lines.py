"""How a prediction is scored against its reference: one policy, applied alike to every model, base or trained.

Both sides pass through the same reordering, whatever the direction of the script (`text_order.py`): for `cer` and `wer` to
display order and back, for `cer_raw` to display order. A prediction is in display order already.

All rates are micro averages: edits summed over all lines, divided by the units of all references, as kraken computes
them (`ketos test`, through torchmetrics' CharErrorRate). They are shares, not percent, and can exceed 1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import regex
from rapidfuzz.distance import Levenshtein

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
    word_errors: int
    words: int
    lines: int
    pages: int
    per_page: tuple[tuple[str, Score], ...] = ()

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
    def wer(self) -> float:
        """The word error rate."""
        return rate(self.word_errors, self.words)

    def to_json(self, *, per_page: bool = False) -> dict[str, Any]:
        """The score as it stands in `results.json`.

        Args:
            per_page: add the list `per_page`, one entry a page.
        """
        record: dict[str, Any] = {
            "cer": self.cer,
            "cer_raw": self.cer_raw,
            "wer": self.wer,
            "errors": self.errors,
            "insertions": self.insertions,
            "deletions": self.deletions,
            "substitutions": self.substitutions,
            "characters": self.characters,
            "errors_raw": self.errors_raw,
            "characters_raw": self.characters_raw,
            "word_errors": self.word_errors,
            "words": self.words,
            "lines": self.lines,
            "pages": self.pages,
        }
        if per_page:
            shown = ("cer", "cer_raw", "wer", "errors", *KINDS, "characters", "lines")
            record["per_page"] = [
                {"page": page, **{key: getattr(one, key) for key in shown}} for page, one in self.per_page
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


def score(pairs: Iterable[LinePair], release: Release = "7.1") -> Score:
    """Score predictions against their references, over all lines and by page.

    Args:
        pairs: the lines.
        release: of the kraken that read them, whose display order the predictions have.
    """
    tallies: dict[str, list[int]] = {}
    codes = Codes()
    for pair in pairs:
        tally = tallies.setdefault(pair.page, [0] * (len(_COUNTS) + 1))
        shown = display_order(pair.reference, release)
        for index, count in enumerate((*_line_counts(shown, pair.hypothesis or "", codes), 1)):
            tally[index] += count
    totals = map(sum, zip([0] * (len(_COUNTS) + 1), *tallies.values()))
    per_page = tuple((page, Score(*tallies[page], pages=1)) for page in sorted(tallies))
    return Score(*totals, pages=len(per_page), per_page=per_page)


_COUNTS = ("errors", *KINDS, "characters", "errors_raw", "characters_raw", "word_errors", "words")
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


def edits(expected: str | list[str], recognised: str | list[str], codes: Codes) -> tuple[int, int, int]:
    """Insertions, deletions and substitutions that make the reference what was read: as few together as possible.

    Several alignments can have as few: `ab` read as `ba` has an insertion and a deletion, or two substitutions. Counted is
    the one that rapidfuzz's `Levenshtein.editops` gives (here the first), which the report shows, too (`differences.aligned`).

    Args:
        expected: the clusters of the reference.
        recognised: the clusters of what was read.
        codes: numbers of clusters, shared by all texts.
    """
    found = Levenshtein.editops(numbers(expected, codes), numbers(recognised, codes)).as_list()
    substitutions = sum(tag == "replace" for tag, _, _ in found)
    more = len(recognised) - len(expected)  # insertions less deletions
    insertions = (len(found) - substitutions + more) // 2
    return insertions, insertions - more, substitutions


def _line_counts(reference: str, hypothesis: str, codes: Codes) -> tuple[int, ...]:
    """The counts of one line, as `_COUNTS` names them; both texts in display order."""
    expected = normalise(reference)
    recognised = expected if reference == hypothesis else normalise(hypothesis)
    words, characters = expected.split(), clusters(expected)
    kinds, word_errors = (0, 0, 0), 0
    if expected != recognised:
        kinds = edits(characters, clusters(recognised), codes)
        word_errors = Levenshtein.distance(numbers(words, codes), numbers(recognised.split(), codes))
    raw, read = blanks(reference), blanks(hypothesis)
    raw_errors = Levenshtein.distance(raw, read)
    return sum(kinds), *kinds, len(characters), raw_errors, len(raw), word_errors, len(words)


def clusters(text: str) -> str | list[str]:
    """The grapheme clusters of a normalised text: the text itself where each is a code point."""
    if text.isascii() or JOINING.search(text) is None:
        return text
    found: list[str] = (CLUSTER if BEYOND_MARKS.search(text) else MARKED_CLUSTER).findall(text)
    return found


def numbers(texts: str | list[str], codes: Codes) -> str | list[int]:
    """A number for each of several texts; what is one text already stays it."""
    return texts if isinstance(texts, str) else list(map(codes.__getitem__, texts))
