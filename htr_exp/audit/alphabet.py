"""What a dataset's characters mean for a training: which the base model lacks, loses or would learn twice, which are not allowed."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from htr_exp.audit import homoglyphs
from htr_exp.audit.homoglyphs import Twin, spelled
from htr_exp.core.problem import Problem
from htr_exp.core.text import counted
from htr_exp.scoring.text_order import display_order

if TYPE_CHECKING:
    from htr_exp.audit.allowed_characters import CharacterTable
    from htr_exp.groundtruth.model import GroundTruthPage

EXAMPLES = 3
"""How many places are named of each finding."""

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
_BLANK = re.compile(r"\s")


def trained_text(text: str, *, normalization: Form | None, normalize_whitespace: bool) -> str:
    """A transcription as kraken trains on it, in logical order (text_normalize and text_whitespace_normalize of 4.3 and 7.1).

    Args:
        text: as in the file.
        normalization: training.normalization.
        normalize_whitespace: training.normalize_whitespace: every blank becomes a space, outer ones go, double ones stay.
    """
    if normalization is not None:
        text = unicodedata.normalize(normalization, text)
    return _BLANK.sub(" ", text).strip() if normalize_whitespace else text


@dataclass(frozen=True, slots=True)
class CharacterFinding:
    """A character, how often it is there, and where it is for example."""

    text: str
    count: int
    examples: tuple[str, ...]  # page:line id
    instead: str | None = None  # what the table of allowed characters has for it

    def to_json(self) -> dict[str, Any]:
        """As programs read it: keys and values of JSON."""
        return {**_characters(self.text), "count": self.count, "examples": list(self.examples)} | (
            {} if self.instead is None else {"instead": self.instead}
        )


@dataclass(frozen=True, slots=True)
class TwinFinding:
    """Two ways to write what looks the same, and where the rarer one is for example."""

    twin: Twin
    examples: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As programs read it: keys and values of JSON."""
        rare, common = (
            {**_characters(text), "count": count}
            for text, count in zip((self.twin.rare, self.twin.common), self.twin.counts)
        )
        return {"why": self.twin.why, "rare": rare, "common": common, "examples": list(self.examples)}

    def described(self) -> str:
        """A sentence: the rare character, how often and where it occurs, and which one it looks like."""
        rare, common = self.twin.counts
        how = {"other script": " of another script", "normal form": " in the other normal form"}.get(self.twin.why, "")
        where = f", {self.examples[0]}" if self.examples else ""
        return f"{spelled(self.twin.rare)}{how} ({counted(rare, 'time')}{where}) beside {spelled(self.twin.common)} ({counted(common, 'time')})"


def _characters_in(found: Sized) -> str:
    return counted(len(found), "character")


def _characters(text: str) -> dict[str, Any]:
    return {"text": text, "codepoints": [f"U+{ord(one):04X}" for one in text]}


@dataclass(frozen=True)
class AlphabetAudit:
    """What is to know of an alphabet.

    Attributes:
        characters: code point -> how often it is there, as kraken trains on it: in display order, which mirrors brackets within
            right-to-left text and has no invisible controls.
        unknown: characters that the base model lacks, the most frequent first; empty without a base model.
        lost: characters that the base model has and the data has not.
        resize: training.resize: with `new` what is lost is deleted, with `fail` what is unknown is refused.
        nearest: the normal form in which fewest characters are unknown, and how many; None if that is the form asked for.
        twins: what is written in two ways.
        unlisted: characters that are not in the table of allowed ones.
        replaced: characters for which that table has another.
    """

    characters: Counter[str]
    unknown: tuple[CharacterFinding, ...]
    lost: tuple[str, ...]
    resize: str
    nearest: tuple[str, int] | None
    twins: tuple[TwinFinding, ...]
    unlisted: tuple[CharacterFinding, ...]
    replaced: tuple[CharacterFinding, ...]

    def to_json(self) -> dict[str, Any]:
        """As `check --json` prints it."""
        return {
            "characters": {one: count for one, count in self.characters.most_common()},
            "unknown": [one.to_json() for one in self.unknown],
            "lost": [_characters(one) for one in self.lost],
            "nearest": None if self.nearest is None else {"normalization": self.nearest[0], "unknown": self.nearest[1]},
            "twins": [one.to_json() for one in self.twins],
            "unlisted": [one.to_json() for one in self.unlisted],
            "replaced": [one.to_json() for one in self.replaced],
        }


def audit(
    pages: Sequence[GroundTruthPage],
    alphabet: Collection[str] | None,
    *,
    normalization: Form | None = None,
    normalize_whitespace: bool = True,
    resize: str = "union",
    allowed: CharacterTable | None = None,
    held_out: Sequence[GroundTruthPage] = (),
    look_alikes: bool = True,
) -> AlphabetAudit:
    """Examine the characters of some pages.

    Args:
        pages: whose lines are looked at.
        alphabet: what the base model's codec can put out; None: there is none, or none is known.
        normalization: training.normalization; None: texts are trained on as they are.
        normalize_whitespace: training.normalize_whitespace.
        resize: training.resize.
        allowed: the table of dataset.characters.
        held_out: pages that are not trained on: only that table is asked about them.
        look_alikes: look for pairs of Unicode's list, too, which takes a tenth of a second to load.

    Raises:
        ConfigError: a regular expression of the table takes too long.
    """
    texts = _Texts(pages, normalization, normalize_whitespace)
    characters = texts.characters
    known = set("".join(alphabet)) if alphabet is not None else None
    unknown = sorted(characters.keys() - known, key=lambda one: (-characters[one], one)) if known is not None else []
    twins = _twins(texts, look_alikes)
    examples = texts.examples({*unknown, *(twin.rare for twin in twins)})
    unlisted, replaced = _offences([*pages, *held_out], allowed) if allowed is not None else ((), ())
    return AlphabetAudit(
        characters=characters,
        unknown=tuple(CharacterFinding(one, characters[one], examples[one]) for one in unknown),
        lost=tuple(sorted(known - characters.keys())) if known is not None else (),
        resize=resize,
        nearest=_nearest(texts, normalization, known, len(unknown)) if known is not None else None,
        twins=tuple(TwinFinding(twin, examples[twin.rare]) for twin in twins),
        unlisted=unlisted,
        replaced=replaced,
    )


class _Texts:
    """The lines of pages as they are trained on, gone through page by page: no second copy of a large dataset."""

    def __init__(
        self, pages: Sequence[GroundTruthPage], normalization: Form | None, normalize_whitespace: bool
    ) -> None:
        self._pages = pages
        self._how = normalization, normalize_whitespace
        self.characters: Counter[str] = Counter()
        for text in self.displayed():
            self.characters.update(text)
        del self.characters["\n"]

    def _lines(self, page: GroundTruthPage) -> list[str]:
        form, whitespace = self._how
        return [trained_text(line.text, normalization=form, normalize_whitespace=whitespace) for line in page.lines]

    def of_pages(self, form: Form | None = None) -> Iterator[str]:
        """Yield the text of each page, a line break between lines, in another form if one is given."""
        for page in self._pages:
            text = "\n".join(self._lines(page))
            yield unicodedata.normalize(form, text) if form else text

    def displayed(self, form: Form | None = None) -> Iterator[str]:
        """The same in display order, which kraken learns."""
        for text in self.of_pages(form):
            yield "\n".join(display_order(line, "7.1") for line in text.split("\n"))

    def counted(self, sequences: Collection[str], form: Form | None = None) -> Counter[str]:
        """Count some sequences of characters."""
        found: Counter[str] = Counter()
        if sequences:
            for text in self.of_pages(form):
                for one in sequences:
                    found[one] += text.count(one)
        return found

    def examples(self, wanted: Collection[str]) -> dict[str, tuple[str, ...]]:
        """The first places of some characters; decomposed ones are found in composed text, too."""
        found: dict[str, list[str]] = {one: [] for one in wanted}
        missing = set(wanted)
        for page in self._pages:
            if not missing:
                break
            for line, text in zip(page.lines, self._lines(page)):
                written = f"{text}\n{unicodedata.normalize('NFD', text)}\n{display_order(text, '7.1')}"
                for one in [one for one in missing if one in written]:
                    found[one].append(f"{page.name}:{line.id}")
                    if len(found[one]) == EXAMPLES:
                        missing.discard(one)
        return {one: tuple(places) for one, places in found.items()}


def _twins(texts: _Texts, look_alikes: bool) -> list[Twin]:
    found = list(homoglyphs.forms(texts.characters, texts.counted))
    decomposed: Counter[str] = Counter()
    for one, count in texts.characters.items():
        decomposed.update({part: times * count for part, times in Counter(unicodedata.normalize("NFD", one)).items()})
    found += homoglyphs.signs(decomposed, lambda sequences: texts.counted(sequences, "NFD"))
    return found + list(homoglyphs.confusables(decomposed, texts.of_pages("NFD"))) if look_alikes else found


def _nearest(texts: _Texts, asked: str | None, known: set[str], unknown: int) -> tuple[str, int] | None:
    """The normal form in which the model lacks fewest characters, if it is better than the one asked for."""
    if not unknown:
        return None
    forms: tuple[Form, Form] = ("NFC", "NFD")
    lacking = {
        form: len({one for text in texts.displayed(form) for one in set(text)} - known - {"\n"})
        for form in forms
        if form != asked
    }
    best = min(lacking, key=lambda form: lacking[form])
    return (best, lacking[best]) if lacking[best] < unknown else None


def _offences(
    pages: Sequence[GroundTruthPage], allowed: CharacterTable
) -> tuple[tuple[CharacterFinding, ...], tuple[CharacterFinding, ...]]:
    """What a table of allowed characters does not have, and what it replaces."""
    counts: Counter[tuple[str, str | None]] = Counter()
    places: dict[tuple[str, str | None], list[str]] = {}
    for page in pages:
        for line, offences in zip(page.lines, allowed.offences(line.text for line in page.lines)):
            counts.update(offences)
            for one in dict.fromkeys(offences):
                of_one = places.setdefault(one, [])
                if len(of_one) < EXAMPLES:
                    of_one.append(f"{page.name}:{line.id}")
    found = [
        CharacterFinding(text, count, tuple(places[text, instead]), instead)
        for (text, instead), count in counts.most_common()
    ]
    return tuple(one for one in found if one.instead is None), tuple(one for one in found if one.instead is not None)


def problems(found: AlphabetAudit, *, model: str | None, table: str | None) -> Iterator[Problem]:
    """Why a training must not start on such characters.

    Args:
        found: of the training pages.
        model: the base model's name.
        table: dataset.characters, as typed.
    """
    if found.resize == "fail" and found.unknown:
        yield Problem(
            f"training.resize=fail: {model} does not know {_characters_in(found.unknown)} of the training lines: "
            f"{_counted(sorted(found.unknown, key=lambda one: one.text))}",
            "use training.resize=union",
            "training.resize",
        )
    if found.unlisted:
        yield Problem(
            f"dataset.characters={table}: {_characters_in(found.unlisted)} of the dataset {'is' if len(found.unlisted) == 1 else 'are'} not in this table: "
            f"{_counted(found.unlisted, places=True)}",
            "correct the transcriptions, or add them to the table",
            "dataset.characters",
        )


def warnings(found: AlphabetAudit, *, model: str | None, table: str | None) -> Iterator[str]:
    """Yield what to know of the characters before a training starts."""
    if found.nearest is not None:
        form, unknown = found.nearest
        yield (
            f"{model} does not know {_characters_in(found.unknown)} of the training lines as they are, "
            f"{unknown} in the form it writes itself: consider training.normalization={form}"
        )
    if found.resize == "new" and found.lost and found.unknown:
        yield f"training.resize=new deletes {_characters_in(found.lost)} that {model} knows: {homoglyphs.listed(found.lost)}"
    if mixed := [one for one in found.twins if one.twin.why == "normal form"]:
        yield (
            f"written both composed and decomposed, and learnt twice: {_characters_in(mixed)}: "
            f"{', '.join(one.described() for one in mixed)}; set training.normalization"
        )
    if others := [one for one in found.twins if one.twin.why != "normal form"]:
        yield f"may be typing mistakes, each looks like another character: {_characters_in(others)}: {'; '.join(one.described() for one in others)}"
    if found.replaced:
        shown = ", ".join(
            f"{spelled(one.text)} by {spelled(one.instead) if one.instead else 'nothing'} ({counted(one.count, 'time')}, "
            f"{one.examples[0]})"
            for one in found.replaced
        )
        yield f"dataset.characters={table} has others for {_characters_in(found.replaced)}: {shown}; convert the files first, or choose those that are"


def _counted(found: Iterable[CharacterFinding], *, places: bool = False) -> str:
    return ", ".join(
        f"{spelled(one.text)} ({counted(one.count, 'time')}{f', {one.examples[0]}' if places and one.examples else ''})"
        for one in found
    )
