"""XML that means harm ends in lines of the report: no hang, no crash, no escape."""

from __future__ import annotations

import codecs
import json
import sys
from pathlib import Path

import pytest

from helpers.bounded import PLAIN, codes_of, examined
from helpers.page_files import BOX, alto_line, alto_xml, page_line, page_xml, put, write_image

pytestmark = [
    pytest.mark.seconds,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory used is read from /proc"),
]


def doctype(declarations: str, text: str = "") -> str:
    """A page with a document type, and with a text or attribute that uses it."""
    head, rest = PLAIN.split("\n", 1)
    return f"{head}\n<!DOCTYPE PcGts [{declarations}]>\n{rest}".replace("Incipit liber", text or "Incipit")


def laughs() -> str:
    bombs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return doctype(f'<!ENTITY l0 "haha">{bombs}', "&l11;")


def in_attribute(xml: str, entity: str) -> str:
    return xml.replace('id="l1"', f'id="&{entity};"')


def recoded(xml: str, encoding: str) -> bytes:
    return xml.replace("UTF-8", encoding).encode(encoding)


def utf7(xml: str) -> bytes:
    head, rest = xml.split("\n", 1)
    hidden = "".join(
        f"+{codecs.encode(c.encode('utf-16-be'), 'base64').decode().rstrip('=' + chr(10))}-" if c in "<&!" else c
        for c in rest
    )
    return (head.replace("UTF-8", "UTF-7") + "\n" + hidden).encode()


ENTITIES: dict[str, str | bytes] = {
    "billion laughs": laughs(),
    "billion laughs in an attribute": in_attribute(laughs(), "l11"),
    "quadratic": doctype(f'<!ENTITY a "{"a" * 100_000}">', "&a;" * 50_000),
    "external": doctype('<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;"),
    "external from the network": doctype('<!ENTITY x SYSTEM "http://127.0.0.1:9/x">', "&x;"),
    "parameter": doctype('<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;'),
    "parameters in parameters": doctype("<!ENTITY % a '&#37;b;'><!ENTITY % b \"<!ENTITY c 'x'>\"> %a;", "&c;"),
    "UTF-16": recoded(laughs(), "UTF-16"),
    "UTF-16 in an attribute": recoded(in_attribute(laughs(), "l11"), "UTF-16"),
    "UTF-16 without a mark": recoded(laughs(), "UTF-16-LE"),
    "UTF-32": recoded(laughs(), "UTF-32"),
    "UTF-7": utf7(laughs()),
    "EBCDIC": recoded(laughs(), "cp500"),
    "default attributes": doctype(f'<!ATTLIST TextLine bomb CDATA "{"a" * 100_000}">').replace(
        "</TextRegion>", "<TextLine/>" * 100_000 + "</TextRegion>"),
    "default attributes in UTF-16": recoded(doctype(f'<!ATTLIST TextLine bomb CDATA "{"a" * 100_000}">').replace(
        "</TextRegion>", "<TextLine/>" * 100_000 + "</TextRegion>"), "UTF-16"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTITIES)
def test_entities_are_refused(folder: Path, name: str) -> None:
    write_image(folder / "bad.jpg", 90)
    xml = ENTITIES[name]
    (folder / "bad.xml").write_bytes(xml if isinstance(xml, bytes) else xml.encode())
    found = examined(folder)
    assert codes_of(found) == {"not_well_formed"}
    assert "root:" not in json.dumps(found)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://127.0.0.1:9/PAGE.dtd"])
def test_a_document_type_from_elsewhere_is_not_fetched(folder: Path, address: str) -> None:
    write_image(folder / "bad.jpg", 90)
    put(folder, PLAIN.replace("?>\n", f'?>\n<!DOCTYPE PcGts SYSTEM "{address}">\n', 1), "bad.xml")
    assert codes_of(examined(folder)) == {"doctype"}


def wide(inside: str) -> str:
    return PLAIN.replace("</TextRegion>", f"{inside}</TextRegion>")


HUGE = {
    "ten million attributes": lambda: PLAIN.replace("<TextRegion ", "<TextRegion " + " ".join(f"a{n}=''" for n in range(5_500_000)) + " "),
    "ten million attributes of many": lambda: wide("<a b='' c='' d='' e=''/>" * 2_500_000),
    "ten million elements": lambda: wide("<a/>" * 10_000_000),
    "ten million namespaces": lambda: PLAIN.replace("<TextRegion ", "<TextRegion " + " ".join(f"xmlns:a{n}='b'" for n in range(3_000_000)) + " "),
    "depth of 100,000": lambda: wide("<TextRegion>" * 100_000 + "</TextRegion>" * 100_000),
    "depth without an end": lambda: "<PcGts>" + "<a>" * 10_000_000,
    "coordinates of 60 MB": lambda: PLAIN.replace(BOX, "10,10 " * 10_000_000),
    "text of 60 MB": lambda: PLAIN.replace("Incipit liber", "a" * 60_000_000),
    "comment of 60 MB": lambda: wide(f"<!--{'a' * 60_000_000}-->"),
    "attribute of 60 MB": lambda: PLAIN.replace('id="l1"', f'id="{"a" * 60_000_000}"'),
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_files_beyond_measure_are_refused(folder: Path, name: str) -> None:
    write_image(folder / "bad.jpg", 90)
    (folder / "bad.xml").write_text(HUGE[name](), encoding="utf-8")
    assert codes_of(examined(folder)) == {"not_well_formed"}


LARGE = {
    "a coordinate list of 9 MB": lambda: wide(page_line(2, coords=" ".join(f"{x % 380},{x % 290}" for x in range(1_150_000)))),
    "a baseline of 9 MB": lambda: wide(page_line(2, baseline=" ".join(f"{x % 380},{x % 290}" for x in range(1_150_000)))),
    "20,000 lines": lambda: wide("".join(page_line(n, "a") for n in range(2, 20_000))),
    "20,000 lines of one id": lambda: wide(page_line(1, "a") * 20_000),
    "text of 9 MB": lambda: PLAIN.replace("Incipit liber", "a\u0301\u200b " * 1_500_000),
    "an id of 9 MB": lambda: PLAIN.replace('id="l1"', f'id="{"a" * 9_000_000}"'),
    "an image name of 9 MB": lambda: PLAIN.replace("bad.jpg", "a" * 9_000_000),
    "custom of 9 MB": lambda: PLAIN.replace("structure {type:DefaultLine;}", "structure {" * 800_000),
    "a type of 9 MB": lambda: PLAIN.replace("structure {type:DefaultLine;}", f"structure {{type:{'a' * 9_000_000};}}"),
    "100,000 tags of one line": lambda: alto_xml(alto_line(1, tags=" ".join(f"t{n}" for n in range(1_000_000))), image="bad.jpg"),
    "nothing but points": lambda: PLAIN.replace(BOX, "." * 9_000_000),
    "digits without an end": lambda: PLAIN.replace(BOX, "1" * 9_000_000 + ",1 2,2"),
    "exponents": lambda: PLAIN.replace(BOX, "1e" * 4_000_000),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_files_that_are_barely_small_enough_are_read_in_time(folder: Path, name: str) -> None:
    write_image(folder / "bad.jpg", 90)
    (folder / "bad.xml").write_text(LARGE[name](), encoding="utf-8")
    codes_of(examined(folder, megabytes=1500))


def test_a_gigabyte_is_not_read(folder: Path) -> None:
    write_image(folder / "bad.jpg", 90)
    for name in ("bad.xml", "bad.png"):
        with open(folder / name, "wb") as file:
            file.truncate(1 << 30)
    put(folder, page_xml(page_line(1), image="bad.png"), "big.xml")
    assert codes_of(examined(folder)) == {"not_well_formed", "image_without_xml", "image_unreadable"}
