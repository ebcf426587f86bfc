"""What has changed in a dataset since a run, or a check, recorded it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from htr_exp.cli.check.result import text_digest
from htr_exp.config.schema import Experiment
from htr_exp.core.errors import ConfigError, HtrExpError
from htr_exp.core.files import read_json, sha256_file
from htr_exp.core.text import counted
from htr_exp.groundtruth.model import Dataset, GroundTruthPage, NotGroundTruth, NotWellFormed
from htr_exp.groundtruth.xml import read_page
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import named, runs_in
from htr_exp.splits.from_config import DRAWN

SIDES = ("train", "validation", "test", "unused")
_DIGEST = re.compile(r"[0-9a-fA-F]{8,64}")


@dataclass(frozen=True)
class Recorded:
    """A page as it was recorded; None is what the record does not say."""

    xml_digest: str | None = None
    image_digest: str | None = None
    digest: str | None = None  # of what training sees
    lines: tuple[str, ...] | None = None  # ids
    texts: Mapping[str, str] | None = None  # id -> digest of the transcription
    staged: tuple[Path, str] | None = None  # the page as kraken was given it, if it is still there, and its SHA-256

    def line_texts(self) -> Mapping[str, str] | None:
        """The digest of each line's transcription, by id, if the record allows."""
        if self.texts is not None or self.staged is None:
            return self.texts
        path, digest = self.staged
        try:
            if sha256_file(path) != digest:
                return None
            return {line.id: text_digest(line.text) for line in read_page(path).lines}
        except (OSError, NotWellFormed, NotGroundTruth):
            return None


@dataclass(frozen=True)
class Record:
    """A dataset as it was recorded."""

    name: str  # as people know it: `run X`, `check of FILE`
    digest: str | None
    pages: Mapping[str, Recorded] | None  # by name; None: only the digest is known
    run: RunDir | None = None  # that recorded it


@dataclass(frozen=True)
class PageChange:
    """A page that is not as it was; None is what the record does not allow to say."""

    page: str
    xml: bool | None
    image: bool | None
    lines_added: tuple[str, ...] | None
    lines_removed: tuple[str, ...] | None
    lines_changed: tuple[str, ...] | None  # another transcription under the same id
    seen: bool | None  # whether training would see a difference

    def words(self) -> str:
        """A phrase that says what has changed."""
        said = ["the image"] if self.image else []
        for ids, what in (
            (self.lines_added, "added"),
            (self.lines_removed, "removed"),
            (self.lines_changed, "with another text"),
        ):
            if ids:
                first = ", ".join(ids[:3]) + (" ..." if len(ids) > 3 else "")
                said.append(f"{counted(len(ids), 'line')} {what} ({first})")
        if said:
            return ", ".join(said)
        if self.seen is False:
            return "the XML, but nothing that training sees"
        if self.lines_changed is None:
            return "texts, shapes or types of lines"
        return "shapes or types of lines"

    def to_json(self) -> dict[str, Any]:
        """As `check --json` prints it."""
        return {
            "page": self.page,
            "xml": self.xml,
            "image": self.image,
            "lines_added": _list(self.lines_added),
            "lines_removed": _list(self.lines_removed),
            "lines_changed": _list(self.lines_changed),
            "training_sees": self.seen,
        }


def _list(ids: tuple[str, ...] | None) -> list[str] | None:
    return None if ids is None else list(ids)


@dataclass(frozen=True)
class Difference:
    """What has changed between a record and now."""

    record: str
    then: str | None  # digests
    now: str
    pages_known: bool
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    changed: tuple[PageChange, ...] = ()
    moved: tuple[tuple[str, str, str], ...] = ()  # page, its side then, and its side if the run's split is drawn again
    remark: str | None = None  # why it is not known which pages would move

    @property
    def same(self) -> bool:
        """Whether the dataset is the one that was recorded: names do not matter."""
        return self.then == self.now if self.then is not None else not (self.added or self.removed or self.changed)

    def words(self) -> list[str]:
        """What has changed: first a sentence, then a line for each page."""
        if self.same:
            said = [f"since {self.record}: the same, byte for byte"]
        elif not self.pages_known:
            said = [f"since {self.record}: different; no run here has that digest, so its pages are not known"]
        else:
            counts = (
                (len(self.added), "added"),
                (len(self.removed), "removed"),
                (len(self.changed), "changed"),
                (len(self.renamed), "renamed"),
                (len(self.moved), "on another side of the split"),
            )
            told = ", ".join(f"{counted(number, 'page')} {what}" for number, what in counts if number)
            why = "no page is (another task, or another version of this program made the record)"
            said = [f"since {self.record}: different: {told or why}"]
        said += [f"added: {page}" for page in self.added]
        said += [f"removed: {page}" for page in self.removed]
        said += [f"renamed: {old} is now {new}" for old, new in self.renamed]
        said += [f"changed: {change.page}: {change.words()}" for change in self.changed]
        said += [f"moved: {page}: from {then} to {now}" for page, then, now in self.moved]
        if self.moved:
            said.append(f"to keep the sides: split=of_run split.run={self.record.partition(' ')[2]}")
        return [*said, self.remark] if self.remark else said

    def to_json(self) -> dict[str, Any]:
        """As `check --json` prints it."""
        return {
            "record": self.record,
            "digest": self.then,
            "same": self.same,
            "pages_known": self.pages_known,
            "pages_added": list(self.added),
            "pages_removed": list(self.removed),
            "pages_renamed": [list(pair) for pair in self.renamed],
            "pages_changed": [change.to_json() for change in self.changed],
            "pages_moved": [list(move) for move in self.moved],
        }


def record(word: str, runs: Path) -> Record:
    """The record that the user named on the command line.

    Args:
        word: a run (name, prefix, `last`, folder), a file that `check --json` wrote, or a digest.
        runs: the folder of the workspace's runs.

    Raises:
        ConfigError: there is no such record, or it cannot be read.
    """
    path = Path(word).expanduser()
    if path.is_file():
        return _of_file(path)
    try:
        return _of_run(named(runs, word))
    except ConfigError as error:
        if not _DIGEST.fullmatch(word):
            raise ConfigError(
                f"--since: {error}; it may also be a file that `check --json` wrote, or a digest"
            ) from None
    for run in sorted(runs_in(runs), key=lambda one: -one.manifest.stat().st_mtime_ns):
        if _digest_of(run).startswith(word.lower()):
            return _of_run(run)
    if len(word) < 64:
        raise ConfigError(
            f"--since: no run in {runs} has a dataset with digest {word}...: give the whole digest, or a file"
        )
    return Record(f"digest {word[:12].lower()}", word.lower(), None)


def _digest_of(run: RunDir) -> str:
    try:
        return str(run.facts()["dataset"]["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _of_run(run: RunDir) -> Record:
    try:
        facts, split = run.facts()["dataset"], read_json(run.split)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"--since: {run.path}: its record cannot be read: {error}") from None
    try:
        staged = read_json(run.places)["pages"]
    except (OSError, ValueError, KeyError, TypeError):
        staged = {}  # which is of this machine, and may be gone
    pages: dict[str, Recorded] = {}
    for side in SIDES:
        for page in split.get(side) or ():
            place = staged.get(page["page"]) or {}
            pages[page["page"]] = Recorded(
                page.get("xml_digest"),
                page.get("image_digest"),
                page.get("digest"),
                tuple(page["line_ids"]) if page.get("line_ids") is not None else None,
                None,
                (Path(place["staged"]), place["sha256"]) if place else None,
            )
    return Record(f"run {run.name}", facts.get("digest"), pages, run)


def _of_file(path: Path) -> Record:
    try:
        lines = path.read_text(encoding="utf-8-sig").strip().splitlines()
        said = json.loads(lines[-1] if lines and lines[-1].startswith("{") else "\n".join(lines))
        pages = {
            page["page"]: Recorded(
                page["xml_digest"], page["image_digest"], page.get("digest"), tuple(page["texts"]), page["texts"]
            )
            for page in said["files"]
        }
        return Record(f"check {path.name}", str(said["digest"]), pages)
    except OSError as error:
        raise ConfigError(f"--since: {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise ConfigError(f"--since: {path} is not what `check --json` writes: no digests of pages in it") from None


def difference(record: Record, dataset: Dataset) -> Difference:
    """Compare a dataset with its record, page by page and, where the record allows, line by line."""
    if record.pages is None:
        return Difference(record.name, record.digest, dataset.digest, pages_known=False)
    then = dict(record.pages)
    now = {page.name: page for page in dataset.pages}
    added = [name for name in now if name not in then]
    removed = [name for name in then if name not in now]
    renamed = []
    contents = {_content(then[name]): name for name in removed}
    for name in list(added):
        page = now[name]
        old = contents.pop((page.xml_digest, page.image_digest), None)
        if old is not None:
            renamed.append((old, name))
            added.remove(name)
            removed.remove(old)
    return Difference(
        record.name,
        record.digest,
        dataset.digest,
        pages_known=True,
        added=tuple(added),
        removed=tuple(removed),
        renamed=tuple(renamed),
        changed=tuple(_changed(then, now)),
    )


def with_moves(found: Difference, run: RunDir, experiment: Experiment, dataset: Dataset) -> Difference:
    """Add which pages change their side if the split of a run is drawn again from the dataset of today.

    Args:
        found: what has changed since the run.
        run: whose keys of `split` are asked again.
        experiment: of the check: its metadata and limits of likeness.
        dataset: of today.
    """
    from htr_exp.pipeline.run_inputs import RunInputs
    from htr_exp.pipeline.sources import Sources
    from htr_exp.splits.recorded import moves, of_run

    try:
        if run.facts()["split"]["kind"] not in DRAWN:
            return found
        asked = replace(experiment, split=RunInputs(run).experiment.split)
        split = Sources().split(asked, dataset, evaluate=False)
        return replace(found, moved=tuple(moves(of_run(run), split, dataset.pages)))
    except HtrExpError as error:
        return replace(found, remark=f"the split of {found.record} cannot be drawn again: {error.one_line}")
    except (OSError, ValueError, KeyError, TypeError):
        return replace(found, remark=f"the split of {found.record} cannot be drawn again: its record cannot be read")


def _content(page: Recorded) -> tuple[str | None, str | None]:
    return page.xml_digest, page.image_digest


def _changed(then: Mapping[str, Recorded], now: Mapping[str, GroundTruthPage]) -> Iterator[PageChange]:
    for name, page in now.items():
        if name not in then:
            continue
        old = then[name]
        xml = _differs(old.xml_digest, page.xml_digest)
        image = _differs(old.image_digest, page.image_digest)
        seen = _differs(old.digest, page.digest)
        if not (xml or image or (xml is None and seen)):
            continue
        added = removed = changed = None
        if old.lines is not None:
            ids, known = {line.id for line in page.lines}, set(old.lines)
            added = tuple(line.id for line in page.lines if line.id not in known)
            removed = tuple(identifier for identifier in old.lines if identifier not in ids)
        texts = old.line_texts()
        if texts is not None:
            changed = tuple(
                line.id for line in page.lines if line.id in texts and texts[line.id] != text_digest(line.text)
            )
        yield PageChange(name, xml, image, added, removed, changed, seen)


def _differs(then: str | None, now: str) -> bool | None:
    return None if then is None else then != now
