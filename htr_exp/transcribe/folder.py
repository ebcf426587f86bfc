"""The folder of transcribed pages: with what they were read, which are done, and who works in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from htr_exp.core.errors import ConfigError
from htr_exp.core.file_cache import digest_of
from htr_exp.core.files import append_jsonl, read_json, read_jsonl, write_atomically, write_json
from htr_exp.core.lock import Locked, locked
from htr_exp.core.problem import Problem
from htr_exp.transcribe.pages import WantedPage

OWN = ".htr_exp"
"""The folder in it that holds what is for us alone."""


class OutputFolder:
    """Where transcribed pages are written.

    A page is done when its file is there and was made of the page's present image and lines. It may be corrected then: it is
    never written again.

    Args:
        path: the folder; it is made when it is opened.
        ending: of its files.
    """

    def __init__(self, path: Path, ending: str) -> None:
        self.path, self._ending = path.absolute(), ending
        self._own = self.path / OWN

    @property
    def work(self) -> Path:
        """For files that are not finished."""
        return self._own / "work"

    @contextmanager
    def opened(self, settings: Mapping[str, Any]) -> Iterator[None]:
        """Work in it alone.

        Args:
            settings: with what its pages are read; all pages of a folder are read with the same.

        Raises:
            ConfigError: its pages were read with something else, or another process works in it.
            OSError: it cannot be written.
        """
        self._own.mkdir(parents=True, exist_ok=True)
        try:
            with locked(self._own / "lock"):
                self._claim(settings)
                yield
        except Locked as error:
            raise ConfigError(f"{self.path}: another process transcribes into this folder ({error})") from None

    def _claim(self, settings: Mapping[str, Any]) -> None:
        record = self._own / "settings.json"
        try:
            before = read_json(record)
        except FileNotFoundError:
            write_json(record, settings)
            return
        except ValueError:
            before = {}
        if before != settings:
            changed = [
                f"{key}: {before.get(key) if isinstance(before, dict) else None} then, {value} now"
                for key, value in settings.items()
                if not isinstance(before, dict) or before.get(key) != value
            ]
            problems = [Problem(said, "write these pages into another folder: --out FOLDER") for said in changed]
            raise ConfigError(f"{self.path}: its pages were read with something else:", problems)

    def output(self, page: WantedPage) -> Path:
        """The file of a page."""
        return self.path / f"{page.name}{self._ending}"

    @cached_property
    def _records(self) -> dict[str, dict[str, Any]]:
        return {record["page"]: record for record in read_jsonl(self._own / "pages.jsonl", "page", "image", "xml")}

    def left(self, pages: Sequence[WantedPage]) -> tuple[list[WantedPage], dict[str, str]]:
        """The pages that are not done, and why of some nothing is known: their image or their lines cannot be read."""
        found, unknown = list[WantedPage](), dict[str, str]()
        for page in pages:
            try:
                if not self._is_done(page):
                    found.append(page)
            except OSError as error:
                unknown[page.name] = f"{error.filename}: {error.strerror or error}"
        return found, unknown

    def _is_done(self, page: WantedPage) -> bool:
        return self.output(page).is_file() and self._records.get(page.name) == self._facts(page)

    def in_the_way(self, page: WantedPage) -> str | None:
        """Why a page that is not done cannot be written; None where it can."""
        if not self.output(page).exists():
            return None
        if page.name in self._records:
            return f"its image or its lines have changed since {self.output(page)} was made: remove that file, or use another folder"
        return f"{self.output(page)} is there already, and not from here: remove it, or use another folder"

    def keep(self, page: WantedPage, content: bytes) -> None:
        """Put a finished page in its place, and note of what it was made.

        Raises:
            OSError: there is no room for it.
        """
        place, facts = self.output(page), self._facts(page)
        place.parent.mkdir(parents=True, exist_ok=True)
        append_jsonl(self._own / "pages.jsonl", facts)  # first: a file without it would be somebody else's
        self._records[page.name] = facts
        write_atomically(place, content)

    @staticmethod
    def _facts(page: WantedPage) -> dict[str, Any]:
        return {"page": page.name, "image": digest_of(page.image), "xml": digest_of(page.xml) if page.xml else None}
