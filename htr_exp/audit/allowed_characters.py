"""The characters that a project's transcriptions may have, from its table as ChocoMufin writes it.

ChocoMufin (github.com/PonteIneptique/choco-mufin) is what CREMMA, CATMuS and HTRomance keep their alphabets with: a CSV
whose column `char` holds a character, several, or a regular expression.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import regex

from htr_exp.core.errors import ConfigError
from htr_exp.core.text_file import read_text

SUPPORT = "\N{DOTTED CIRCLE}"
"""What tables write a combining character on, to make it visible."""
LONGEST_SEARCH_S = 5.0
"""How long a table's regular expression may search one line."""

_ONE_CHARACTER = regex.compile(r"\[\^?(?:\\.|[^\]\\\[])+\]|\\u[0-9a-fA-F]{4}|[^.^$*+?{}\[\]\\|()]")
"""Regular expressions that match one character: a set, a code point, a character."""


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        number: of its line in the file, from 1.
        char: as in the file.
        pattern: finds it in text in NFD.
        single: it only ever matches one character, wherever that stands.
        instead: what the table has written for it, perhaps nothing; None: it is allowed as it is.
    """

    number: int
    char: str
    pattern: regex.Pattern[str]
    single: bool
    instead: str | None


@dataclass(frozen=True)
class CharacterTable:
    """A table of allowed characters."""

    file: Path
    rows: tuple[Row, ...]
    _verdicts: dict[str, tuple[bool, str | None]] = field(default_factory=dict, repr=False, compare=False)

    def offences(self, texts: Iterable[str]) -> list[list[tuple[str, str | None]]]:
        """The characters of each text that are not allowed, in order, with what the table writes instead.

        A row counts wherever it matches the text, whatever the order of rows: what any row allows is allowed. Blanks
        always are. Both sides are compared in NFD: a table says which characters there are, not how they are coded.

        Args:
            texts: as in the files.

        Raises:
            ConfigError: a regular expression takes too long.
        """
        several = [row for row in self.rows if not row.single]
        found = []
        for text in texts:
            decomposed = unicodedata.normalize("NFD", text)
            for one in set(decomposed) - self._verdicts.keys():
                self._verdicts[one] = self._verdict(one)
            found.append(self._of(decomposed, several))
        return found

    def _verdict(self, one: str) -> tuple[bool, str | None]:
        """Whether a character is allowed on its own, and what the table has instead."""
        rows = [row for row in self.rows if row.pattern.fullmatch(one)]
        allowed = one.isspace() or any(row.instead is None for row in rows)
        return allowed, None if allowed else next((row.instead for row in rows), None)

    def _of(self, text: str, several: Sequence[Row]) -> list[tuple[str, str | None]]:
        free = [self._verdicts[one][0] for one in text]
        replaced: dict[int, tuple[int, str]] = {}
        for row in several:
            for start, end in self._matches(row, text):
                if row.instead is None:
                    free[start:end] = [True] * (end - start)
                elif end - start > 1:
                    replaced.setdefault(start, (end, row.instead))
        found: list[tuple[str, str | None]] = []
        if not replaced and all(free):
            return found
        at = 0
        while at < len(text):
            if at in replaced:
                end, instead = replaced[at]
                found.append((text[at:end], instead))
                at = end
                continue
            if not free[at]:
                found.append((text[at], self._verdicts[text[at]][1]))
            at += 1
        return found

    def _matches(self, row: Row, text: str) -> list[tuple[int, int]]:
        try:
            return [found.span() for found in row.pattern.finditer(text, timeout=LONGEST_SEARCH_S) if found.group()]
        except TimeoutError:
            raise ConfigError(
                f"dataset.characters={self.file}:",
                [f"line {row.number}: the regular expression {row.char} takes too long to search: write it simpler"],
            ) from None


def read_table(file: Path) -> CharacterTable:
    """Read a table of allowed characters.

    Columns: `char`, required; `replacement`, what to write instead (the same: allowed as it is; empty: nothing); `allow`:
    true, allowed whatever `replacement` says; `regex`: true, `char` is a regular expression. `#r#` before a `char` says the
    same in older tables. Other columns are comments; without a column `replacement` every `char` is allowed.

    Args:
        file: CSV with commas, semicolons or tabs.

    Raises:
        ConfigError: with every problem of the table.
    """
    headline = f"dataset.characters={file}:"
    try:
        text = read_text(file)
    except FileNotFoundError:
        raise ConfigError(f"dataset.characters={file}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"dataset.characters={file}: it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(headline, [f"byte {error.start} is not UTF-8: save the table as CSV in UTF-8"]) from None
    first = text.partition("\n")[0]
    delimiter = next((sign for sign in ",;\t" if "char" in _cells(first, sign)), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
        if "char" not in columns:
            raise ConfigError(headline, [f"it has no column `char`; it has {', '.join(columns) or 'nothing'}"])
        reader.fieldnames = columns
        problems: list[str] = []
        rows = [row for values in reader if (row := _row(reader.line_num, values, problems)) is not None]
    except csv.Error as error:
        raise ConfigError(headline, [f"line {reader.line_num}: {error}"]) from None
    if not rows and not problems:
        problems.append("it has no rows")
    if problems:
        raise ConfigError(headline, problems)
    return CharacterTable(file, tuple(rows))


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # a cell beyond all measure, which reading the table will name
        return []


def _row(number: int, values: dict[str, Any], problems: list[str]) -> Row | None:
    written = values.get("char") or ""
    if not any(isinstance(value, str) and value.strip() for value in values.values()):
        return None
    old = written.startswith("#r#")
    is_regex = old or _true(values.get("regex"))
    char = written[3:] if old else written
    replacement = str(values.get("replacement") or "").removeprefix("#r#")
    if not char:
        problems.append(f"line {number}: its `char` is empty")
        return None
    bare = unicodedata.normalize("NFD", char.replace(SUPPORT, "") or char)
    instead = unicodedata.normalize("NFD", replacement.replace(SUPPORT, ""))
    allowed = _true(values.get("allow")) or "replacement" not in values or instead == bare
    try:
        pattern = regex.compile(bare if is_regex else regex.escape(bare))
    except regex.error as error:
        problems.append(f"line {number}: {char} is not a regular expression: {error}")
        return None
    single = len(bare) == 1 if not is_regex else _ONE_CHARACTER.fullmatch(bare) is not None
    return Row(number, written, pattern, single, None if allowed else instead)


def _true(value: Any) -> bool:
    return str(value or "").strip().lower() == "true"
