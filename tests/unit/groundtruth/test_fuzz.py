"""Ground truth made at random: nothing that a file holds makes the examination fail, lose count or stage other lines.

The same examples each time. HTR_EXP_FUZZ=20000 tries so many new ones per test instead.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.fuzzing import tried as settings_of
from helpers.page_files import BASE, BOX, alto_line, alto_xml, page_line, page_xml, write_image
from htr_exp.groundtruth import xml
from htr_exp.groundtruth.as_kraken.readings import by_release
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.model import NotGroundTruth, NotWellFormed
from htr_exp.groundtruth.xml import read_page
from htr_exp.groundtruth.xml_for_kraken import staged_xml

pytestmark = pytest.mark.seconds

tried = settings_of(150)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_image(tmp_path_factory.mktemp("image") / "1.jpg").read_bytes()


def look(content: bytes, image: bytes) -> None:
    """Examine a file of these bytes and see that all is as it must be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "1.xml").write_bytes(content)
        (folder / "1.jpg").write_bytes(image)
        found = examine_folders([folder])
        for problem in found.problems:
            assert problem.file.isprintable()
            assert problem.message.isprintable(), problem
            assert problem.line is None or problem.line.encode()
        dropped = [problem for problem in found.dropped if problem.line is not None]
        assert found.lines + len(dropped) == (found.read["lines"] if found.pages else len(dropped))
        for page in found.pages:
            assert page.lines
            ids = [line.id for line in page.lines]
            assert len(set(ids)) == len(ids)
            first, source = staged_xml(page), read_page(folder / "1.xml")
            (folder / "staged.xml").write_bytes(first)
            staged = read_page(folder / "staged.xml")
            assert [(line.id, line.text) for line in staged.lines] == [(line.id, line.text) for line in page.lines]
            for line, used in zip(staged.lines, page.lines, strict=True):
                origin = source.lines[used.number]
                assert (line.baseline, line.polygon, line.text) == (origin.baseline, origin.polygon, origin.text)
            again = by_release(xml.parse(first), staged, True)
            assert {reading.lines for reading in again.values()} <= {len(page.lines), None}
        assert found.digest == examine_folders([folder], exclude=["staged.xml"]).digest
        try:
            root = xml.parse(content)
        except NotWellFormed:
            return
        try:
            parsed = xml.page_of(root)
        except NotGroundTruth:
            by_release(root)
            return
        assert by_release(root, parsed) == by_release(root)


# ---- bytes ---------------------------------------------------------------------------------------------------------

BASES = [
    page_xml(page_line(1) + page_line(2, "alter \u0303 \ue8bf") + page_line(3, custom=None)),
    page_xml(page_line(1), year="2010-03-19"),
    alto_xml(alto_line(1) + alto_line(2, '<String CONTENT="a"/><SP/><String CONTENT="b"/>')),
    "\ufeff" + alto_xml(alto_line(1), version=2),
]
TOKENS = [
    "<", ">", '"', "&", "&#0;", "&#xD800;", "&amp;", "<!--", "-->", "<![CDATA[", "]]>", "<?a ?>", "<!DOCTYPE a [", "\0",
    "\ufeff", "\ud800", "\udfff", "9" * 400, "-1", "1e999", "nan", "inf", "1_0", "٣", "{", "}", ";", ":", " ", "\t", "\n",
    "points=", 'id="l1"', "<TextLine>", "</TextLine>", "<TextRegion/>", 'xmlns=""', 'xmlns:a="b"', "\u202e", "\u2028", "\x85",
]  # fmt: skip


@st.composite
def mutated(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    content = bytearray(draw(st.sampled_from(BASES)).encode())
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(content)))
        end = min(len(content), place + draw(st.integers(0, 40)))
        kind = draw(st.sampled_from(["token", "bytes", "cut", "double", "flip", "move"]))
        if kind == "token":
            content[place:place] = draw(st.sampled_from(TOKENS)).encode("utf-8", "surrogatepass")
        elif kind == "bytes":
            content[place:end] = draw(st.binary(max_size=8))
        elif kind == "cut":
            del content[place:end]
        elif kind == "double":
            content[place:place] = content[place:end]
        elif kind == "flip" and place < len(content):
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "move":
            piece = content[place:end]
            del content[place:end]
            where = draw(st.integers(0, len(content)))
            content[where:where] = piece
    return bytes(content)


@tried
@given(content=mutated())
def test_mutated_files(content: bytes, image: bytes) -> None:
    look(content, image)


# ---- documents -----------------------------------------------------------------------------------------------------

TEXTS = [
    "",
    " ",
    "a",
    "a b",
    "\u200b",
    "\u0301",
    "a\u0303",
    "ã",
    "\u2e5b",
    "\u2067b",
    "]]>",
    "\U000e0001",
    "<&",
    "\r",
    "\u2028",
    "\ue8bf",
]
NUMBERS = [
    "0",
    "-1",
    "1.5",
    "1e2",
    "-0",
    "+4",
    "1_0",
    "x",
    "",
    "9" * 20,
    "9" * 400,
    "nan",
    "inf",
    "1e999",
    "٣",
    "399",
    "400",
    "17",
]
SHAPES = [BOX, BASE, "10,10 10,60 200,60", "200,50 10,50", "0,0 399,299", "10,50 200,50 100,50"]
ODD_SHAPES = [
    None,
    "",
    " ",
    "10, 50 200,50",
    "10,50  200,50",
    "(1,2) (3,4)",
    "10 50 200 50",
    "5",
    "10,50 200,50 ",
    "10,,50 200,50",
]
CUSTOMS = [
    "structure {type:a;}",
    "structure {type:;}",
    "readingOrder {index:0;}",
    "readingOrder {index:x;}",
    "a",
    "{}",
    "}",
    "structure {type:{;}",
    "language {type:prv;}",
    "split {type:train;}",
    "split {}",
]
REGIONS = ["TableRegion", "TableCell", "OtherRegion", "Group"]
BLOCKS = ["ComposedBlock", "Illustration", "Other"]


def element(name: str, inside: str = "", **attributes: str | None) -> str:
    given = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items() if value is not None)
    return f"<{name}{given}>{inside}</{name}>"


class Documents:
    """Files drawn from a number: mostly as they should be, for one that is odd throughout is refused at once."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.odd = self.random.choice([0.0, 0.01, 0.05, 0.3])

    def pick(self, usual: Any, rare: Sequence[Any]) -> Any:
        return self.random.choice(rare) if self.random.random() < self.odd else usual

    def text(self) -> str:
        if self.random.random() < 0.7:
            return self.random.choice(TEXTS)
        return "".join(
            chr(self.random.choice([32, 160, 0x300, 0x5D0, 0x2000, 0xE000, 0x1F600]) + self.random.randrange(90))
            for _ in range(5)
        )

    def points(self) -> str | None:
        loose = " ".join(",".join(self.random.choices(NUMBERS, k=2)) for _ in range(self.random.randrange(5)))
        return self.pick(self.random.choice(SHAPES), [*ODD_SHAPES, loose])

    def id(self) -> str | None:
        return self.pick(f"l{self.random.randrange(10_000)}", [None, "", "l1", "l1", "line_1", "é <", self.text()])

    def custom(self) -> str | None:
        return self.pick(None, [*CUSTOMS, self.text()])

    def pcgts_line(self) -> str:
        parts = [
            element(name, points=self.points()) for name in ("Coords", "Baseline") for _ in range(self.pick(1, [0, 2]))
        ]
        unicode = [element("TextEquiv", element("Unicode", escape(self.text()))) for _ in range(3)]
        parts += unicode[: self.pick(1, [0, 2])] + [element("Word", word) for word in unicode[: self.pick(0, [2])]]
        if self.random.random() < self.odd:
            self.random.shuffle(parts)
        return element("TextLine", "".join(parts), id=self.id(), custom=self.custom())

    def region(self, depth: int = 0) -> str:
        parts = [element("Coords", points=self.points())] + [self.pcgts_line() for _ in range(self.random.randrange(4))]
        if depth < 3 and self.random.random() < self.odd:
            parts.append(self.region(depth + 1))
        return element(self.pick("TextRegion", REGIONS), "".join(parts), id=self.id(), custom=self.custom())

    def pcgts(self) -> str:
        page = element(
            "Page",
            self.region() + self.region(),
            imageFilename=self.pick("1.jpg", ["", "../1.jpg", "2.jpg", "a\nb"]),
            imageWidth=self.pick("400", [*NUMBERS, None]),
            imageHeight=self.pick("300", [*NUMBERS, None]),
            custom=self.custom(),
        )
        return f"<PcGts xmlns='http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15'>{page}</PcGts>"

    def alto_line(self) -> str:
        points = [
            (text or "").replace(",", " ") if self.random.random() < 0.9 else text
            for text in (self.points(), self.points())
        ]
        words = [element(self.pick("String", ["SP", "HYP"]), CONTENT=self.text()) for _ in range(self.pick(2, [0, 1]))]
        shape = element("Shape", element("Polygon", POINTS=points[0]))
        tags = self.pick("T1", [None, "", "T2 T1", "X", "T1 T1"])
        return element("TextLine", shape + "".join(words), ID=self.id(), BASELINE=points[1], TAGREFS=tags)

    def block(self, depth: int = 0) -> str:
        box = {key: self.pick("9", [*NUMBERS, None]) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")}
        parts = [self.alto_line() for _ in range(self.random.randrange(4))]
        if depth < 3 and self.random.random() < self.odd:
            parts.append(self.block(depth + 1))
        name = self.pick("TextBlock", BLOCKS)
        return element(name, "".join(parts), ID=self.id(), TAGREFS=self.pick("T1", [None]), **box)

    def alto(self) -> str:
        tags = element("Tags", element("OtherTag", ID="T1", LABEL=self.pick("a", TEXTS), TYPE=self.pick(None, TEXTS)))
        blocks = self.block() + self.block()
        space = element(
            self.pick("PrintSpace", ["TopMargin"]),
            blocks,
            HPOS=self.pick("0", ["x", None]),
            VPOS="0",
            WIDTH="9",
            HEIGHT="9",
        )
        unit = element("MeasurementUnit", self.pick("pixel", ["mm10", "", " pixel "]))
        name = element("fileName", self.pick("1.jpg", ["", "none.jpg"]))
        page = element("Page", space, WIDTH=self.pick("400", [*NUMBERS, None]), HEIGHT=self.pick("300", ["", None]))
        return element("alto", element("Description", unit + name) + tags + element("Layout", page))


@tried
@given(seed=st.integers(0, 2**32))
def test_random_documents(seed: int, image: bytes) -> None:
    made = Documents(seed)
    look(made.pcgts().encode(), image)
    look(made.alto().encode(), image)
