"""Opens a file of ground truth without what XML allows an attacker, and hands it to its dialect."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lxml import etree

from htr_exp.groundtruth.dialects import read_alto, read_pcgts
from htr_exp.groundtruth.model import NotGroundTruth, NotWellFormed, Page

MAX_BYTES = 64 << 20  # a page of 10,000 lines with polygons and words stays below 20 MiB

_ENTITIES = "its DOCTYPE declares entities, which ground truth never needs and an attack may use: remove the DOCTYPE"


def read_page(path: Path) -> Page:
    """Read one file of ground truth as it is: nothing is dropped, no text is changed.

    Raises:
        NotWellFormed: it cannot be opened, is no XML, is larger than `MAX_BYTES` or declares entities.
        NotGroundTruth: it is XML of another kind, has several pages, or does not count in pixels.
    """
    root = _parse(_content(path))
    tag = str(root.tag)
    namespace = tag[: tag.index("}") + 1] if tag[0] == "{" else ""
    name = tag[len(namespace) :]
    if name == "PcGts":
        return read_pcgts(root, namespace)
    if name == "alto":
        return read_alto(root, namespace)
    raise NotGroundTruth(f"its root element is <{name}>: neither PAGE (<PcGts>) nor ALTO (<alto>)")


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=open_regular) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotWellFormed(f"it cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise NotWellFormed(f"it is larger than {MAX_BYTES >> 20} MiB, which no page of ground truth is")
    return content


def open_regular(path: str, flags: int) -> int:
    """Open a regular file; anything else is an OSError at once, for a FIFO would wait for its writer for ever."""
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "it is not a regular file")
    return handle


def _parse(content: bytes) -> etree._Element:
    if b"<!ENTITY" in content:
        raise NotWellFormed(_ENTITIES)
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
        raise NotWellFormed(f"it is not well-formed XML: {error}") from None
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(dtd.iterentities()):  # type: ignore[union-attr]  # UTF-16 hides them from the test above
        raise NotWellFormed(_ENTITIES)
    return root
