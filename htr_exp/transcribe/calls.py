"""kraken's calls for many pages: several at once, each a share of the pages, heard and harvested while they work."""

from __future__ import annotations

import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from htr_exp.core.errors import DatasetError
from htr_exp.groundtruth import xml
from htr_exp.groundtruth.image_header import ImageFacts, look_at
from htr_exp.groundtruth.model import Points
from htr_exp.groundtruth.page_scan import identified
from htr_exp.groundtruth.usable_image import unusable
from htr_exp.groundtruth.xml_for_kraken import page_xml
from htr_exp.kraken.commands import transcribe_command
from htr_exp.kraken.process import Process, was_killed
from htr_exp.kraken.runtime import Kraken
from htr_exp.transcribe.folder import OutputFolder
from htr_exp.transcribe.forms import Form, NotWhole, Software, finished
from htr_exp.transcribe.pages import WantedPage

LOOK_S = 0.2
"""Between two looks at what kraken has written."""

_FAILED = re.compile(r"Failed processing (?P<page>.+?): (?P<why>.+?)(?:\s+\S+\.py:\d+)?$")


@dataclass(frozen=True)
class Means:
    """With what pages are read.

    Attributes:
        kraken: that reads them.
        model: the recognition model's file.
        segmenter: that of the model that finds lines.
        form: what is written.
        device: as kraken names it.
        precision: of the network.
        pad: blank columns left and right of a line, pixels.
        text_direction: in which found lines follow each other.
        software: what the files say of all this.
    """

    kraken: Kraken
    model: Path
    segmenter: Path | None
    form: Form
    device: str
    precision: str
    pad: int
    text_direction: str | None
    software: Software


@dataclass
class Outcome:
    """What became of pages: those written, and of each other one why not."""

    written: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    without_lines: list[str] = field(default_factory=list)


@dataclass
class _Open:
    """A page that a call has not written yet."""

    page: WantedPage
    given: Path  # to kraken: a staged file, or the image
    output: Path
    lines: tuple[tuple[str, Points], ...]
    lacks: str = ""  # why what is written of it is not whole


def transcribe(
    pages: Sequence[WantedPage],
    means: Means,
    folder: OutputFolder,
    *,
    jobs: int,
    stop: Callable[[], object],
    tell: Callable[[Outcome], None],
) -> Outcome:
    """Transcribe pages that are not done.

    Each call of kraken gets a share of them, since a start takes as long as some pages, and one core. What it writes is
    looked at and put in place page by page.

    Args:
        pages: to be transcribed.
        means: with what.
        folder: in which they are written; held by this process.
        jobs: calls at once.
        stop: true once all is to end.
        tell: called when something has become of a page.

    Raises:
        OSError: a page cannot be written.
        RuntimeUnavailableError: kraken does not start.
    """
    outcome, usable, images = Outcome(), list[WantedPage](), dict[Path, ImageFacts]()
    for page in pages:
        seen = look_at(str(page.image))
        if (said := folder.in_the_way(page)) or (said := unusable(seen, page.image)):
            outcome.failed[page.name] = said
        elif isinstance(seen, ImageFacts):
            usable.append(page)
            images[page.image] = seen
    tell(outcome)
    kept, found = ([one for one in usable if (one.xml is not None) is kept] for kept in (True, False))
    waiting = deque(share for of in (kept, found) for share in _shares(of, jobs))
    shutil.rmtree(folder.work, ignore_errors=True)  # of a command that was killed
    at_work: list[_Call] = []
    number = 0
    try:
        while waiting or at_work:
            while waiting and len(at_work) < jobs:
                number += 1
                at_work.append(_Call(waiting.popleft(), images, means, folder, folder.work / str(number), outcome))
            time.sleep(LOOK_S)
            for call in list(at_work):
                if call.look():
                    tell(outcome)
                if (left := call.ended()) is not None:
                    at_work.remove(call)
                    tell(outcome)
                    if left:
                        waiting.append(left)
            if stop():
                break
    finally:
        for call in at_work:
            call.process.kill()
        shutil.rmtree(folder.work, ignore_errors=True)
    return outcome


def _shares(pages: Sequence[WantedPage], number: int) -> list[list[WantedPage]]:
    """Pages in so many parts of about as many lines, each in the order of the pages."""
    shares: list[list[WantedPage]] = [[] for _ in range(min(number, len(pages)))]
    weights = [0] * len(shares)
    for page in sorted(pages, key=lambda one: -one.lines):
        lightest = weights.index(min(weights))
        shares[lightest].append(page)
        weights[lightest] += page.lines + 1
    place = {page.name: number for number, page in enumerate(pages)}
    return [sorted(share, key=lambda page: place[page.name]) for share in shares]


class _Call:
    """One call of kraken under way."""

    def __init__(
        self,
        pages: Sequence[WantedPage],
        images: Mapping[Path, ImageFacts],
        means: Means,
        folder: OutputFolder,
        work: Path,
        outcome: Outcome,
    ) -> None:
        self._means, self._folder, self._outcome = means, folder, outcome
        self._said: dict[str, str] = {}  # what kraken was given -> why it failed
        self._last = ""
        work.mkdir(parents=True)
        self._open: list[_Open] = []
        for number, page in enumerate(pages):
            try:
                given, lines = (
                    (page.image, ())
                    if page.xml is None
                    else _staged(page, images[page.image], work / f"{number}.page.xml")
                )
            except DatasetError as error:
                outcome.failed[page.name] = error.headline
            else:
                self._open.append(_Open(page, given, work / f"{number}.out", lines))
        models = [model for model in (means.model, means.segmenter) if model]
        kraken = means.kraken.within(
            readable=[*sorted({one.page.image for one in self._open}), *models],
            writable=[work],
            scratch=work / "tmp",
            gpu=not means.device.startswith("cpu"),
            helpers=work / "bin",
        )
        argv = transcribe_command(
            kraken.version,
            pages=[(str(one.given), str(one.output)) for one in self._open],
            model=str(means.model),
            form=means.form,
            device=means.device,
            precision=means.precision,
            threads=1,
            pad=means.pad,
            segmenter=str(means.segmenter) if pages[0].xml is None else None,
            text_direction=means.text_direction,
        )
        self.process: Process = kraken.start(argv, threads=1, on_line=self._hear, folder=work)

    def _hear(self, line: str) -> None:
        if found := _FAILED.search(line):
            self._said[found["page"].strip()] = found["why"].strip()
        elif line.strip():
            self._last = line.strip()

    def look(self) -> bool:
        """Put in place what is written by now; return whether that was a page."""
        before = len(self._open)
        for one in list(self._open):
            if not one.output.exists():
                continue
            if self._means.form == "text" and self.process.poll() is None and not self._has_gone_on(one):
                continue  # a text does not say where it ends
            try:
                content, lines = finished(
                    one.output.read_bytes(),
                    self._means.form,
                    written_for=str(one.page.image),
                    image=one.page.image.name,
                    lines=one.lines,
                    software=replace(self._means.software, segmenter=None) if one.page.xml else self._means.software,
                )
            except NotWhole as error:
                one.lacks = str(error)  # so far: kraken may be writing it
                continue
            self._folder.keep(one.page, content)
            self._outcome.written += 1
            if not lines:
                self._outcome.without_lines.append(one.page.name)
            self._open.remove(one)
            one.output.unlink()
        return len(self._open) < before

    def _has_gone_on(self, one: _Open) -> bool:
        later = self._open[self._open.index(one) + 1 :]
        return any(other.output.exists() for other in later)

    def ended(self) -> list[WantedPage] | None:
        """None while kraken works; then the pages that it did not come to, since one before them ended it."""
        code = self.process.poll()
        if code is None:
            return None
        self.look()
        if not code:
            for one in self._open:
                self._fail(one, f"kraken has written nothing: {self._last}")
            return []
        # a signal, for want of memory, ends it at a page; anything else is wrong with all of them
        guilty = self._open[:1] if was_killed(code) else self._open
        for one in guilty:
            self._fail(one, f"kraken ended with exit code {code}: {self._last}")
        return [one.page for one in self._open[len(guilty) :]]

    def _fail(self, one: _Open, why: str) -> None:
        self._outcome.failed[one.page.name] = self._said.get(str(one.given)) or one.lacks or why


def _staged(page: WantedPage, image: ImageFacts, place: Path) -> tuple[Path, tuple[tuple[str, Points], ...]]:
    """A page's lines as a file for kraken, and their ids and baselines.

    Raises:
        DatasetError: they cannot be read any more.
    """
    assert page.xml is not None  # noqa: S101 - its caller has looked
    read = xml.read_page(page.xml)
    lines = [replace(line, text="") for line in identified(read.lines) if line.baseline]
    place.write_bytes(page_xml(str(page.image.absolute()), image.width, image.height, read.regions, lines))
    return place, tuple((line.id, line.baseline) for line in lines)
