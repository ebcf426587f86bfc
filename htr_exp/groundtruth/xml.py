"""Opens a file of ground truth without what XML allows an attacker, and hands it to its dialect."""

from __future__ import annotations

import codecs
import os
import re
import stat
from pathlib import Path

from lxml import etree

from htr_exp.groundtruth.choices import DEFAULT, Choices
from htr_exp.groundtruth.file_tree import shown
from htr_exp.groundtruth.model import NotGroundTruth, NotWellFormed, Page
from htr_exp.groundtruth.parse import read_alto, read_pcgts
from htr_exp.groundtruth.stand_ins import LFS_NOTE

MAX_BYTES = 64 << 20  # a page of 10,000 lines with polygons and words stays below 20 MiB

MAX_MARKS = 1_000_000
"""Tags, or equals signs, that a file may have: 10,000 lines with ten words each have 700,000 tags."""

_ENTITIES = (
    "its DOCTYPE declares entities or attributes, which ground truth never needs and an attack may use:"
    " remove the DOCTYPE"
)
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
_ELSEWHERE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, b"<\0\0\0", b"\0\0\0<", b"\x4c\x6f\xa7\x94")  # UTF-32, EBCDIC
_ENCODING = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml[^>]*?\bencoding\s*=\s*[\"']([^\"'>]*)")
_LIKE_ASCII = re.compile(
    r"utf-?8|(us-)?ascii|iso[-_]?8859[-_]?\d+|latin-?\d+|windows-125\d|cp125\d|macintosh|koi8-[ru]", re.IGNORECASE
)


def read_page(path: Path, choices: Choices = DEFAULT) -> Page:
    """Read one file of ground truth as it is: nothing is dropped, no text is changed.

    Args:
        path: the file.
        choices: which text is read where the file has several.

    Raises:
        NotWellFormed: it cannot be opened, is no XML, is larger than `MAX_BYTES` or declares entities.
        NotGroundTruth: it is XML of another kind, has several pages, or does not count in pixels.
    """
    return page_of(parse(content(path)), choices)


def page_of(root: etree._Element, choices: Choices = DEFAULT) -> Page:
    """The page that a parsed file describes.

    Raises:
        NotGroundTruth: it is XML of another kind, has several pages, or does not count in pixels.
    """
    tag = str(root.tag)
    namespace = tag[: tag.index("}") + 1] if tag[0] == "{" else ""
    name = tag[len(namespace) :]
    if name == "PcGts":
        return read_pcgts(root, namespace, choices)
    if name == "alto":
        return read_alto(root, namespace, choices)
    raise NotGroundTruth(f"its root element is <{shown(name)}>: neither PAGE (<PcGts>) nor ALTO (<alto>)")


def image_name_of(root: etree._Element) -> str:
    """The image that a file of either dialect names, whatever else is wrong with it; empty if it names none."""
    page = next(root.iter("{*}Page"), None)
    return root.findtext(".//{*}fileName") or ("" if page is None else page.get("imageFilename") or "")


def content(path: Path) -> bytes:
    """The bytes of a file of ground truth.

    Raises:
        NotWellFormed: it cannot be opened, or is larger than `MAX_BYTES`.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            found = file.read(MAX_BYTES + 1) or b""  # None: a file of /proc that has nothing to say yet
    except OSError as error:
        raise NotWellFormed(f"it cannot be read: {error.strerror or error}") from None
    if len(found) > MAX_BYTES:
        raise NotWellFormed(f"it is larger than {MAX_BYTES >> 20} MiB, which no page of ground truth is")
    return found


def wrapping(content: bytes, root: etree._Element) -> list[str]:
    """The problem codes of what is before a file's root and does not belong there."""
    found = ["byte_order_mark"] if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) else []
    return found + (["doctype"] if root.getroottree().docinfo.internalDTD is not None else [])


def open_regular(path: str, flags: int) -> int:
    """Open a regular file; anything else is an OSError at once, for a FIFO would wait for its writer for ever."""
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "it is not a regular file")
    return handle


def parse(content: bytes) -> etree._Element:
    """The root of an XML file, which may be malicious.

    Raises:
        NotWellFormed: it is no XML, declares entities, or is beyond all measure.
    """
    _look_over(content)
    # One parser a file: libxml2 keeps every name that a parser has met.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotWellFormed(f"it is not well-formed XML: {shown(' '.join(str(error).split()))}") from None
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(dtd.iterentities()):  # type: ignore[union-attr]  # in case they were hidden somehow
        raise NotWellFormed(_ENTITIES)
    return root


def _look_over(content: bytes) -> None:
    """Refuse what would cost too much to parse, before it is parsed: libxml2 needs 200 bytes for each tag or attribute.

    Raises:
        NotWellFormed: the bytes declare entities or default attributes, have too many tags, or are in a rare encoding.
    """
    if content.startswith(LFS_NOTE):
        raise NotWellFormed("it is only Git LFS's note of where the file is: run `git lfs pull` in its repository")
    if content.startswith(_ELSEWHERE):
        raise NotWellFormed("it is in a rare encoding (UTF-32 or EBCDIC): save it as UTF-8")
    wide = next((encoding for mark, encoding in _UTF16.items() if content.startswith(mark)), None)
    if wide is not None:
        content = content.decode(wide, "replace").encode()
    elif (named := _ENCODING.match(content)) and not _LIKE_ASCII.fullmatch(named[1].decode("ascii", "replace")):
        encoding = named[1][:40].decode("ascii", "replace")
        raise NotWellFormed(f"it says that its encoding is {encoding!r}: save it as UTF-8")
    if b"<!ENTITY" in content or b"<!ATTLIST" in content:
        raise NotWellFormed(_ENTITIES)
    if content.count(b"<") > MAX_MARKS or content.count(b"=") > MAX_MARKS:
        raise NotWellFormed(f"it has more than {MAX_MARKS:,} tags or attributes, which no page of ground truth has")
