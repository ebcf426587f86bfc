"""What users write about pages: lists of names, and tables as spreadsheets save them."""

from __future__ import annotations

import csv
import io
import os
import posixpath
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from htr_exp.core.errors import DatasetError
from htr_exp.core.text_file import read_text

SIDE_WORDS = {"train": "train", "validation": "validation", "val": "validation", "dev": "validation", "test": "test"}
"""What a table may call a side."""


class NamedPage(Protocol):
    """A page that can be named."""

    @property
    def name(self) -> str: ...
    @property
    def xml(self) -> Path: ...
    @property
    def image(self) -> Path: ...


@dataclass(frozen=True)
class Metadata:
    """A table with a row for each page."""

    file: str  # its name, for messages
    columns: tuple[str, ...]  # but that of the page names
    rows: Mapping[str, Mapping[str, str]]  # page name -> column -> value; empty where the table gives none


class Names:
    """The names by which pages can be called: path below the dataset folder, file name, either without `.xml`, image name,
    and the path of either file, whole or from the current directory.

    Names that differ by their Unicode form alone are the same, and so are `./1r.xml`, `odo/../1r.xml` and `1r.xml`.
    """

    def __init__(self, pages: Sequence[NamedPage]) -> None:
        self._whole = {page.name for page in pages}
        self._known: dict[str, set[str]] = {}
        for page in pages:
            path = PurePosixPath(page.name)
            whole = [os.path.abspath(file) for file in (page.xml, page.image)]
            for alias in (page.name, path.name, str(path.with_suffix("")), path.stem, page.image.name, *whole):
                self._known.setdefault(unicodedata.normalize("NFC", alias), set()).add(page.name)

    def meant(self, typed: str) -> str:
        """The page that a name means.

        Raises:
            DatasetError: it means none, or several.
        """
        matches = {typed} if typed in self._whole else self._found(typed)
        if not matches:
            raise DatasetError("there is no such page with text")
        if len(matches) > 1:
            raise DatasetError(f"it may be any of {', '.join(sorted(matches))}")
        return next(iter(matches))

    def _found(self, typed: str) -> set[str]:
        composed = unicodedata.normalize("NFC", typed)
        slashes = composed.replace("\\", "/")
        for name in (composed, posixpath.normpath(composed), posixpath.normpath(slashes), os.path.abspath(slashes)):
            if name in self._known:
                return self._known[name]
        return set()


def read_list(path: Path) -> list[str]:
    """The names in a list file: one a line, in any encoding of `read_text`, blank lines left out.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: the list of pages cannot be read: {error}") from None


def read_table(path: Path, *, page_column: str, column: str) -> dict[str, list[str]]:
    """Side -> page names from a CSV file; other words than train, validation (or val, dev) and test are refused.

    Raises:
        DatasetError: the file cannot be read, lacks a column, or has another word in it.
    """
    lists: dict[str, list[str]] = {}
    problems = []
    for number, row in read_rows(path, str(path), needed=(page_column, column))[1]:
        word = row[column]
        if word.lower() in SIDE_WORDS:
            lists.setdefault(SIDE_WORDS[word.lower()], []).append(row[page_column])
        elif word:
            problems.append(f"{path}:{number}: {column}={word}: write train, validation or test, or leave it empty")
    if problems:
        raise DatasetError("the given split cannot be used:", problems)
    return lists


def read_metadata(path: Path, *, page_column: str, pages: Sequence[NamedPage]) -> Metadata:
    """What a table says of pages, which it names as lists do.

    Args:
        path: a CSV or TSV file.
        page_column: its column with the page names.
        pages: all pages of the dataset.

    Raises:
        DatasetError: the file cannot be read or lacks the column; with each row that means no page, several, or one that
            another row has described.
    """
    columns, table = read_rows(path, str(path), needed=(page_column,))
    names, rows, problems = Names(pages), dict[str, dict[str, str]](), []
    line_of: dict[str, int] = {}
    for number, row in table:
        typed = row[page_column]
        if not typed:
            problems.append(f"{path}:{number}: it names no page: fill the column {page_column}, or remove the row")
            continue
        try:
            page = names.meant(typed)
        except DatasetError as error:
            problems.append(f"{path}:{number}: {page_column}={typed}: {error}")
            continue
        if page in line_of:
            problems.append(f"{path}:{number}: {page_column}={typed}: line {line_of[page]} describes {page} already")
            continue
        line_of[page] = number
        rows[page] = {name: row[name] for name in columns if name != page_column}
    if problems:
        raise DatasetError("the table of pages cannot be used:", problems)
    return Metadata(path.name, tuple(name for name in columns if name != page_column), rows)


def read_rows(
    path: Path, named: str, *, needed: Sequence[str] = ()
) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """A table's columns, and its rows with the number of the line on which each ends; blank rows are left out.

    Args:
        path: a file with commas, semicolons or tabs, whichever its first line has most of.
        named: what it is called in messages.
        needed: columns without which it cannot be used.

    Raises:
        DatasetError: it cannot be read, or lacks a column.
    """
    try:
        text = read_text(path)
        first = text[: text.find("\n") + 1] or text
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
        columns = [name.strip() for name in next(reader, [])]
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DatasetError(f"{named}: the table of pages cannot be read: {said}") from None
    absent = [name for name in needed if name not in columns]
    if absent:
        raise DatasetError(f"{named}: it has no column {', '.join(absent)}; its columns are {', '.join(columns)}")
    padded = [(number, row + [""] * (len(columns) - len(row))) for number, row in rows if any(row)]
    return columns, [(number, dict(zip(columns, row))) for number, row in padded]
