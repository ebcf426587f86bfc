"""What a base model was trained on, where that is known: by our own runs and what they started from, or by a list."""

from __future__ import annotations

import base64
import csv
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from htr_exp.core.errors import DatasetError
from htr_exp.core.files import read_json, sha256_file
from htr_exp.core.text import and_more, joined
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in

Known = Literal["known", "in part", "unknown"]

_FORM = 1  # of fingerprints.json
_ROLES = {"validation": "validation", "val": "validation", "dev": "validation", "test": "test"}
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DIGEST_COLUMNS = ("xml_sha256", "image_sha256")
_LETTERS = 4 << 20  # of a page in fingerprints.json at most; a larger one was made to fill the memory


@dataclass(frozen=True)
class Fingerprint:
    """A page that a model has seen: what is needed to recognise it, as far as it is known."""

    role: str  # train: learnt from; validation: the model was selected by it
    name: str  # as its run or list calls it
    source: str  # the run or the list that says so; in a run's own fingerprints empty for itself
    page_digest: str | None = None  # of what training saw
    xml_digest: str | None = None
    image_digest: str | None = None
    look: int | None = None  # the image's, see `groundtruth.looks`
    letters: str = ""  # of its text, see `likeness.letters`

    def to_json(self) -> dict[str, Any]:
        """Return it as fingerprints.json holds it."""
        return {
            "role": self.role,
            "page": self.name,
            "source": self.source,
            "digest": self.page_digest,
            "xml": self.xml_digest,
            "image": self.image_digest,
            "look": None if self.look is None else f"{self.look:x}",
            "letters": base64.b64encode(zlib.compress(self.letters.encode(), 9)).decode() if self.letters else "",
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fingerprint:
        """Return what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, zlib.error: it did not.
        """
        look, packed = value["look"], base64.b64decode(value["letters"])
        letters = zlib.decompressobj().decompress(packed, _LETTERS).decode(errors="ignore") if packed else ""
        return cls(
            value["role"],
            value["page"],
            value["source"],
            value["digest"],
            value["xml"],
            value["image"],
            None if look is None else int(look, 16),
            letters,
        )


@dataclass(frozen=True)
class Lineage:
    """What is known of a base model's training data."""

    known: Known
    sources: tuple[str, ...]  # the runs and lists that say so
    pages: tuple[Fingerprint, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it for the record, without the pages."""
        return {"trained_on": self.known, "sources": list(self.sources), "pages": len(self.pages)}


def of_model(path: Path, sha256: str, runs: Path, trained_on: Path | None) -> Lineage:
    """Return what is known of the training data of a base model.

    Args:
        path: the model's file.
        sha256: of it.
        runs: the folder of our own runs.
        trained_on: a table of the files it was trained on, given by the user.

    Raises:
        DatasetError: the table cannot be used.
    """
    listed = read_list(trained_on) if trained_on is not None else ()
    run = _run_of(path, sha256, runs)
    known, sources, pages = _of_run(run) if run is not None else ("unknown", (), ())
    if trained_on is not None:
        return Lineage("known", (*sources, trained_on.name), (*pages, *listed))
    return Lineage(known, sources, pages)


def fingerprints(pages: Iterable[Fingerprint], base: Lineage | None) -> dict[str, Any]:
    """Return fingerprints.json: what a model of this run will have seen, through all the models it comes from.

    Args:
        pages: those that the run itself trains on and selects by.
        base: of its base model; None if it starts from scratch.
    """
    return {
        "form": _FORM,
        "known": base.known if base else "known",
        "sources": list(base.sources) if base else [],
        "pages": [page.to_json() for page in (*pages, *(base.pages if base else ()))],
    }


def read_list(path: Path) -> tuple[Fingerprint, ...]:
    """Return the pages of a table (CSV or TSV) of what a model was trained on, those it was tested on left out.

    It has a column `xml_sha256` or `image_sha256`, or both; `side` says train, validation or test (else: train); `xml`,
    `page` or `image` names the page.

    Raises:
        DatasetError: it cannot be read, has neither column, names no file, or holds what is no SHA-256.
    """
    key = f"model.trained_on={path}"
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max("\t,;", key=header.count), strict=False)
            columns = [name for name in reader.fieldnames or () if name]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DatasetError(f"{key}: it cannot be read: {said}") from None
    if not set(columns) & set(_DIGEST_COLUMNS):
        raise DatasetError(
            f"{key}: it has no column {joined(_DIGEST_COLUMNS, 'or')}; its columns are {', '.join(columns) or 'none'}"
        )
    problems: list[str] = []
    found: list[Fingerprint] = []
    for number, row in enumerate(rows, 2):
        values = {name: (row.get(name) or "").strip() for name in columns}
        digests = {name: values[name].lower() for name in _DIGEST_COLUMNS if values.get(name)}
        problems += [
            f"{path}:{number}: {name}={value}: it is no SHA-256 (64 hexadecimal digits)"
            for name, value in digests.items()
            if not _DIGEST.fullmatch(value)
        ]
        role = _ROLES.get(values.get("side", "").lower(), "train")
        if digests and role != "test":
            name = next((values[key] for key in ("xml", "page", "image") if values.get(key)), f"row {number}")
            source = f"{path.name}:{number}"
            found.append(
                Fingerprint(
                    role,
                    name,
                    source,
                    xml_digest=digests.get("xml_sha256"),
                    image_digest=digests.get("image_sha256"),
                )
            )
    if problems:
        more = list(filter(None, [and_more(len(problems) - 10)]))
        raise DatasetError(f"{key}: it cannot be used:", problems[:10] + more)
    if not found:
        raise DatasetError(f"{key}: it names no file that the model was trained on")
    return tuple(found)


def _run_of(path: Path, sha256: str, runs: Path) -> RunDir | None:
    """Return the run whose best model a file is, wherever that was copied to."""
    own = RunDir(path.resolve().parent)
    if own.manifest.exists() and own.best.exists() and own.best.samefile(path):
        return own
    code = sha256.encode()
    for run in runs_in(runs):
        try:
            if code in run.results.read_bytes() and (run.result() or {}).get("models", {}).get("best") == sha256:
                return run
        except OSError:
            continue
    size = path.stat().st_size
    unscored = (run.best for run in runs_in(runs) if run.best.exists() and not run.results.exists())
    same = (best for best in unscored if best.stat().st_size == size and sha256_file(best) == sha256)
    return next((RunDir(best.parent) for best in same), None)


def _of_run(run: RunDir) -> tuple[Known, tuple[str, ...], tuple[Fingerprint, ...]]:
    try:
        said = read_json(run.fingerprints)
        pages = tuple(Fingerprint.from_json(page) for page in said["pages"])
        known: Known = "known" if said["known"] == "known" else "in part"
        own = tuple(replace(page, source=page.source or run.name) for page in pages)
        return known, (run.name, *said["sources"]), own
    except (OSError, KeyError, TypeError, ValueError, zlib.error):
        return _of_split(run)


def _of_split(run: RunDir) -> tuple[Known, tuple[str, ...], tuple[Fingerprint, ...]]:
    """Return what a run that has no fingerprints says of its pages: their digests, and nothing of its base model's."""
    try:
        split, facts = read_json(run.split), run.facts()
        pages = tuple(
            Fingerprint(side, page["page"], run.name, page["digest"], page.get("xml_digest"), page.get("image_digest"))
            for side in ("train", "validation")
            for page in split[side]
        )
    except (OSError, KeyError, TypeError, ValueError):
        return "unknown", (), ()
    return ("in part" if facts.get("model") else "known"), (run.name,), pages
