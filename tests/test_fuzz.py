"""Ground truth made at random: nothing that a file holds makes the examination fail, lose count or stage other lines.

The same examples each time. HTR_EXP_FUZZ=20000 tries so many new ones per test instead.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from groundtruth_pages import BASE, BOX, SIZE, alto_line, alto_xml, page_line, page_xml, write_image
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htr_exp.groundtruth import examine, read, read_page, staged_xml
from htr_exp.groundtruth.kraken_reads import by_release
from htr_exp.groundtruth.model import NotGroundTruth, NotWellFormed

EXAMPLES = int(os.environ.get("HTR_EXP_FUZZ", "0"))

tried = settings(
    max_examples=EXAMPLES or 150,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_image(tmp_path_factory.mktemp("image") / "1.jpg").read_bytes()


def look(content: bytes, image: bytes) -> None:
    """Examine a file of these bytes and see that all is as it must be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "1.xml").write_bytes(content)
        (folder / "1.jpg").write_bytes(image)
        found = examine([folder])
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
            again = by_release(read.parse(first), staged, True)
            assert {reading.lines for reading in again.values()} <= {len(page.lines), None}
        assert found.digest == examine([folder], exclude=["staged.xml"]).digest
        try:
            root = read.parse(content)
        except NotWellFormed:
            return
        try:
            page = read.page_of(root)
        except NotGroundTruth:
            by_release(root)
            return
        assert by_release(root, page) == by_release(root)


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

xml_characters = st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(32)), "\ufffe", "\uffff"])
texts = st.one_of(
    st.text(xml_characters | st.sampled_from("\t\n\r"), max_size=12),
    st.sampled_from(["", " ", "a", "\u200b", "\u0301", "a\u0303", "ã", "\u2e5b", "\u2067b", "]]>", "\U000e0001"]),
)
numbers = st.one_of(
    st.integers(-3, SIZE[0] + 3).map(str),
    st.sampled_from(["0", "1.5", "1e2", "-0", "+4", "1_0", "x", "", "9" * 20, "9" * 400, "nan", "inf", "1e999", "٣"]),
)
good = st.sampled_from([BOX, BASE, "10,10 10,60 200,60", "200,50 10,50", "0,0 399,299", "10,50 200,50 100,50"])


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw what is usual ten times out of eleven: a file that is odd throughout is refused before it gets far."""
    return st.integers(0, 10).flatmap(lambda number: rare if number == 5 else usual)


odd_points = st.one_of(
    st.none(),
    st.lists(st.tuples(numbers, numbers).map(",".join), max_size=6).map(" ".join),
    st.lists(numbers, max_size=7).map(" ".join),
    st.sampled_from(["", " ", "10, 50 200,50", "10,50  200,50", "(1,2) (3,4)", "1 2 3 4", "5"]),
)
points = mostly(good, odd_points)
odd_ids = st.one_of(st.none(), st.sampled_from(["l1", "l2", "", " ", "é", "a b", "<", "line_1", "line_2"]), texts)
ids = mostly(st.integers(1, 999).map(lambda number: f"l{number}"), odd_ids)
odd_customs = st.one_of(
    st.none(),
    st.sampled_from([
        "structure {type:a;}", "structure {type:;}", "readingOrder {index:0;}", "readingOrder {index:x;}", "a", "{}", "}",
        "structure {type:{;}", "language {type:prv;}", "split {type:train;}", "split {}",
    ]),
    texts,
)  # fmt: skip


customs = mostly(st.none(), odd_customs)


def element(name: str, inside: str = "", **attributes: str | None) -> str:
    given = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items() if value is not None)
    return f"<{name}{given}>{inside}</{name}>"


@st.composite
def pcgts_line(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    parts = []
    for name, what in (("Coords", points), ("Baseline", points)):
        parts += [element(name, points=draw(what)) for _ in range(draw(mostly(st.just(1), st.sampled_from([0, 2]))))]
    for _ in range(draw(mostly(st.just(1), st.sampled_from([0, 2])))):
        parts.append(element("TextEquiv", element("Unicode", escape(draw(texts)))))
    for _ in range(draw(mostly(st.just(0), st.just(2)))):
        parts.append(element("Word", element("TextEquiv", element("Unicode", escape(draw(texts))))))
    return element("TextLine", "".join(draw(st.permutations(parts))), id=draw(ids), custom=draw(customs))


def regions(lines: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    name = mostly(st.just("TextRegion"), st.sampled_from(["TableRegion", "TableCell", "OtherRegion", "Group"]))

    def around(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        shape = points.map(lambda p: element("Coords", points=p))
        parts = st.lists(inside, max_size=4).map("".join)
        return st.builds(
            lambda n, s, p, i, c: element(n, s + p, id=i, custom=c), name, shape, parts, ids, st.none() | customs
        )

    return st.recursive(around(lines), around, max_leaves=6)


@st.composite
def documents(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    body = "".join(draw(st.lists(regions(pcgts_line()), min_size=1, max_size=3)))
    size = mostly(st.just("400"), st.sampled_from(["0", "1e2", "", "x", "9" * 400, None]))
    page = element("Page", body, imageFilename=draw(mostly(st.just("1.jpg"), st.sampled_from(["", "../1.jpg", "2.jpg", "a\nb"]))),
                   imageWidth=draw(size), imageHeight=draw(size), custom=draw(st.none() | customs))  # fmt: skip
    space = draw(st.sampled_from([' xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"', ""]))
    return f"<PcGts{space}>{page}</PcGts>".encode("utf-8", "surrogatepass")


@tried
@given(content=documents())
def test_random_pages(content: bytes, image: bytes) -> None:
    look(content, image)


@st.composite
def alto_documents(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    def line() -> str:
        shape = element("Shape", element("Polygon", POINTS=draw(points)))
        words = [element(draw(st.sampled_from(["String", "SP", "HYP"])), CONTENT=draw(st.none() | texts))
                 for _ in range(draw(st.integers(0, 3)))]  # fmt: skip
        tags = draw(st.sampled_from([None, "", "T1", "T2 T1", "X", "T1 T1"]))
        return element("TextLine", shape + "".join(words), ID=draw(ids), BASELINE=draw(points), TAGREFS=tags)

    def block(depth: int) -> str:
        box = {key: draw(st.none() | numbers) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")}
        inside = [line() for _ in range(draw(st.integers(0, 3)))]
        if depth < 2 and draw(st.booleans()):
            inside.append(block(depth + 1))
        name = draw(st.sampled_from(["TextBlock", "TextBlock", "ComposedBlock", "Illustration", "Other"]))
        return element(name, "".join(inside), ID=draw(ids), TAGREFS=draw(st.sampled_from([None, "T1"])), **box)

    tags = element("Tags", element("OtherTag", ID="T1", LABEL=draw(texts), TYPE=draw(st.none() | texts)))
    where = draw(st.sampled_from(["PrintSpace", "PrintSpace", "TopMargin"]))
    space = element(
        where,
        block(0) + block(0),
        HPOS=draw(mostly(st.just("0"), st.sampled_from(["x", None]))),
        VPOS="0",
        WIDTH="9",
        HEIGHT="9",
    )
    head = element("MeasurementUnit", draw(st.sampled_from(["pixel"] * 4 + ["mm10", "", " pixel "])))
    name = element("fileName", draw(st.sampled_from(["1.jpg"] * 4 + ["", "none.jpg"])))
    page = element(
        "Page",
        space,
        WIDTH=draw(mostly(st.just("400"), numbers)),
        HEIGHT=draw(mostly(st.just("300"), st.sampled_from(["", None]))),
    )
    return element("alto", element("Description", head + name) + tags + element("Layout", page)).encode(
        "utf-8", "surrogatepass"
    )


@tried
@given(content=alto_documents())
def test_random_alto(content: bytes, image: bytes) -> None:
    look(content, image)
