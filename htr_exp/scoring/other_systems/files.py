"""The files in which predictions are given: found, read once, and known by their digest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from htr_exp.core.errors import DatasetError
from htr_exp.core.file_cache import Stamp, stamp_of
from htr_exp.core.files import digest_json, sha256_bytes
from htr_exp.core.problem import Problem
from htr_exp.groundtruth.archives import is_zip, unpacked
from htr_exp.groundtruth.xml import MAX_BYTES, open_regular

FORMS = {".jsonl": "JSON lines", ".txt": "text", ".xml": "PAGE or ALTO"}
"""The form of predictions by the ending of their files."""

MOST_BYTES = 1 << 30
"""Of one file: a hundred thousand pages of JSON lines have less."""


@dataclass(frozen=True)
class GivenFile:
    """A file of predictions, as it was when it was read."""

    name: str  # below the folder that was given, `/` between parts
    content: bytes

    @property
    def sha256(self) -> str:
        """The digest of its bytes."""
        return sha256_bytes(self.content)


@dataclass(frozen=True)
class GivenFiles:
    """All files of predictions, of one form."""

    form: str  # one of `FORMS`
    files: tuple[GivenFile, ...]

    @property
    def digest(self) -> str:
        """Of their names and bytes."""
        return digest_json([[file.name, file.sha256] for file in self.files])


def read_files(path: Path, cache: Path) -> GivenFiles:
    """Read the predictions below a folder, in a zip, or of one file.

    Args:
        path: of any of these.
        cache: folder in which zips are unpacked, as those of datasets.

    Raises:
        DatasetError: there are none, they have several forms, or they changed while they were read.
    """
    path = _unpacked(path, cache)
    root = path if path.is_dir() else path.parent
    before = _stamps(path)
    forms = sorted({FORMS[Path(name).suffix.lower()] for name in before})
    if len(forms) != 1:
        raise DatasetError("the predictions cannot be read:", [_several(forms) if forms else _none(path)])
    files = tuple(GivenFile(name, _content(root / name)) for name in sorted(before))
    after = _stamps(path)
    if changed := [name for name in sorted(before.keys() | after) if before.get(name) != after.get(name)]:
        what = f"{changed[0]} was changed while it was read"
        raise DatasetError(
            "the predictions cannot be read:", [Problem(what, "run the command again when all is written")]
        )
    return GivenFiles(forms[0], files)


def _unpacked(path: Path, cache: Path) -> Path:
    try:
        return unpacked(path, cache / "datasets") if path.is_file() and is_zip(path) else path
    except OSError as error:
        raise DatasetError(f"it cannot be read: {error.strerror or error}") from None


def _stamps(path: Path) -> dict[str, Stamp]:
    """The files that may be predictions, by their names below what was given, with what tells that one was changed."""
    found = {}
    try:
        for name, file in _found(path):
            found[name] = stamp_of(file.stat())
    except OSError as error:
        raise DatasetError(f"{error.filename or path} cannot be read: {error.strerror or error}") from None
    return found


def _found(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.exists():
        raise DatasetError("there is no such file or folder")
    if not path.is_dir():
        if path.suffix.lower() in FORMS:
            yield path.name, path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        for name in names:
            file = Path(folder) / name
            if not name.startswith(".") and file.suffix.lower() in FORMS:
                yield file.relative_to(path).as_posix(), file


def _content(path: Path) -> bytes:
    most = MAX_BYTES if path.suffix.lower() == ".xml" else MOST_BYTES
    try:
        with open(path, "rb", opener=open_regular) as file:
            found = file.read(most + 1)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(found) > most:
        raise DatasetError(f"{path} is larger than {most >> 20} MiB, which no predictions are")
    return found


def _none(path: Path) -> Problem:
    endings = ", ".join(f"*{ending} ({form})" for ending, form in FORMS.items())
    what = "there is no prediction in this folder" if path.is_dir() else "this file is no prediction, by its ending"
    return Problem(what, f"it may be {endings}, or a zip of these")


def _several(forms: list[str]) -> Problem:
    what = f"they are given as {' and as '.join(forms)}, and which of them counts nobody can know"
    return Problem(what, "leave one of them, or name a folder, or a file, that has one alone")
