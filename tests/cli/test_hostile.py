"""Ground truth that means harm ends in lines of the report, in bounded time and memory: no hang, no crash, no escape."""

from __future__ import annotations

import codecs
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from helpers.page_files import BOX, alto_line, alto_xml, page_line, page_xml, put, write_image
from htr_exp.groundtruth.examine import examine_folders

SECONDS = 40  # of a processor; generous, for they guard against hangs and not against slowness
PATIENCE = 300  # seconds by the clock, on a machine that has other things to do
MEGABYTES = 700
MEASURES = os.environ.get("HTR_EXP_MEASURES")  # a file to which the time and memory of each are added

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory used is read from /proc")

CHILD = """
import json, os, sys
from pathlib import Path
import shapely, PIL.JpegImagePlugin, PIL.PngImagePlugin
from htr_exp.groundtruth import examine
if len(sys.argv) > 2:  # to be nobody, once all is imported
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
found = examine([Path(sys.argv[1])])
json.dump({
    "pages": [page.name for page in found.pages],
    "problems": [[p.code, p.file, p.line, p.message] for p in found.problems],
    "read": found.read, "lines": found.lines,
    # Not ru_maxrss, which begins with the size of the process that forked this one.
    "seconds": sum(os.times()[:2]),
    "peak": next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024,
}, sys.stdout)
"""


def examined(
    folder: Path, *, nobody: bool = False, seconds: int = SECONDS, megabytes: int = MEGABYTES
) -> dict[str, Any]:
    """Examine a folder in a process of its own; fails if that takes too long, too much memory, or ends badly."""
    words = [sys.executable, "-c", CHILD, str(folder), *(["nobody"] if nobody else [])]
    child = subprocess.run(
        words, capture_output=True, text=True, timeout=PATIENCE, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stderr == ""
    found: dict[str, Any] = json.loads(child.stdout)
    if measures := MEASURES:
        with open(measures, "a") as file:
            file.write(f"{found['seconds']:6.2f} s {found['peak']:6.0f} MB {os.environ['PYTEST_CURRENT_TEST']}\n")
    assert found["peak"] < megabytes
    assert found["seconds"] < seconds
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good page, which must not suffer from what else is there."""
    (tmp_path / "pages").mkdir()
    write_image(tmp_path / "pages" / "good.jpg")
    put(tmp_path / "pages", page_xml(page_line(1), image="good.jpg"), "good.xml")
    return tmp_path / "pages"


def codes_of(found: dict[str, Any]) -> set[str]:
    assert "good.xml" in found["pages"]
    for problem in found["problems"]:
        assert all(part is None or part.isprintable() for part in problem[1:2] + problem[3:]), problem
        assert len(problem[3]) < 1000, problem
    return {problem[0] for problem in found["problems"]}


PLAIN = page_xml(page_line(1), image="bad.jpg")


def doctype(declarations: str, text: str = "") -> str:
    """Return a page with a document type, and with a text or attribute that uses it."""
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


ENTITIES = {
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
    assert codes_of(found) == {"not_well_formed", "image_without_xml"}
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
    assert codes_of(examined(folder)) <= {"not_well_formed", "image_without_xml"}


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


IMAGES = {
    "absolute": "/etc/passwd",
    "absolute, there": "{folder}/../outside.jpg",
    "climbing": "../outside.jpg",
    "climbing far": "../" * 50 + "etc/passwd",
    "climbing and back": "../pages/../outside.jpg",
    "other slashes": "..\\outside.jpg",
    "a drive": "C:\\outside.jpg",
    "an address": "http://127.0.0.1:9/outside.jpg",
    "a line break": "out&#10;side.jpg",
    "control characters": "out&#9;side&#13;.jpg",
    "10,000 characters": "a" * 10_000 + ".jpg",
    "10,000 folders": "a/" * 10_000 + "b.jpg",
    "the folder": ".",
    "nothing but slashes": "//",
    "a home": "~/outside.jpg",
    "a variable": "$HOME/outside.jpg",
    "bidirectional marks": "gpj.\u202eoutside.jpg",
}


@pytest.mark.parametrize("name", IMAGES)
def test_no_image_outside_the_folder_is_opened(folder: Path, name: str) -> None:
    write_image(folder.parent / "outside.jpg", 90)
    put(folder, PLAIN.replace("bad.jpg", IMAGES[name].replace("{folder}", str(folder))), "bad.xml")
    assert codes_of(examined(folder)) <= {"image_missing", "image_outside"}


def test_links_that_loop_end(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
    (folder / "a" / "up").symlink_to("..")
    (folder / "b" / "a").symlink_to("../a")
    (folder / "self.xml").symlink_to("self.xml")
    (folder / "there.xml").symlink_to("back.xml")
    (folder / "back.xml").symlink_to("there.xml")
    (folder / "nowhere.xml").symlink_to("none.xml")
    (folder / "bad.jpg").symlink_to("bad.jpg")
    put(folder, PLAIN, "bad.xml")
    found = examined(folder)
    assert codes_of(found) == {"not_well_formed", "image_unreadable"}


def test_a_deep_folder_is_walked(folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(1500):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    try:
        codes_of(examined(folder))
    finally:
        subprocess.run(["rm", "-rf", str(folder / "d")], check=True)  # beyond what shutil can walk


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/stdin", "/proc/self/mem", "/proc/kmsg"])
def test_devices_are_not_read(folder: Path, device: str) -> None:
    (folder / "zero.xml").symlink_to(device)
    (folder / "bad.jpg").symlink_to(device)
    put(folder, PLAIN, "bad.xml")
    assert codes_of(examined(folder)) <= {"not_well_formed", "image_unreadable"}


def test_pipes_and_sockets_are_not_waited_for(folder: Path) -> None:
    for name in ("pipe.xml", "bad.jpg"):
        os.mkfifo(folder / name)
    put(folder, PLAIN, "bad.xml")
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        os.chdir(folder)  # a socket's path is short
        try:
            one.bind("socket.xml")
            two.bind("worse.jpg")
        finally:
            os.chdir(here)
        put(folder, PLAIN.replace("bad.jpg", "worse.jpg"), "worse.xml")
        assert codes_of(examined(folder)) == {"not_well_formed", "image_unreadable"}


def test_folders_in_the_place_of_files(folder: Path) -> None:
    (folder / "folder.xml").mkdir()
    (folder / "bad.jpg").mkdir()
    put(folder, PLAIN, "bad.xml")
    assert codes_of(examined(folder)) <= {"image_unreadable", "image_missing"}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"", more: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zeros(megabytes: int) -> bytes:
    squeeze = zlib.compressobj(9)
    return b"".join([squeeze.compress(bytes(1 << 20)) for _ in range(megabytes)]) + squeeze.flush()


def tiff(width: int, height: int, entries: int = 0) -> bytes:
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 4)] + [(700, 1, 0x7FFFFFFF, 8)] * entries
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", 8)  # the next directory is this one again


JPEG_HEAD = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"

PICTURES = {
    "PNG of 30,000 x 30,000": (lambda: png(30_000, 30_000, zeros(900)), {"line_outside_image", "size_mismatch", "image_unreadable"}),
    "PNG beyond every measure": (lambda: png(2**31 - 1, 2**31 - 1), {"image_unreadable"}),
    "PNG whose data explode": (lambda: png(400, 300, zeros(1000)), set()),
    "PNG whose text explodes": (lambda: png(400, 300, more=chunk(b"zTXt", b"k\0\0" + zeros(1000))), {"image_unreadable"}),
    "PNG whose profile explodes": (lambda: png(400, 300, more=chunk(b"iCCP", b"k\0\0" + zeros(1000))), {"image_unreadable"}),
    "PNG with many texts": (lambda: png(400, 300, more=chunk(b"zTXt", b"k\0\0" + zeros(1)) * 2000), {"image_unreadable"}),
    "PNG of nothing": (lambda: png(0, 0), {"image_unreadable", "size_mismatch", "line_outside_image"}),
    "PNG cut short": (lambda: png(400, 300)[:40], {"image_unreadable"}),
    "PNG of a few bytes": (lambda: b"\x89PNG\r\n\x1a\n", {"image_unreadable"}),
    "empty": (lambda: b"", {"image_unreadable"}),
    "TIFF beyond every measure": (lambda: tiff(2**31, 2**31), {"image_unreadable"}),
    "TIFF whose directories loop": (lambda: tiff(400, 300), set()),
    "TIFF with tags of 2 GB": (lambda: tiff(400, 300, entries=50), {"image_unreadable"}),
    "JPEG of 65,535 x 65,535": (lambda: JPEG_HEAD + b"\xff\xc0\0\x0b\x08\xff\xff\xff\xff\1\1\x11\0\xff\xd9", {"image_unreadable"}),
    "JPEG without an end": (lambda: JPEG_HEAD + b"\xff\xfe\xff\xff" + bytes(4 << 20), {"image_unreadable"}),
    "JPEG of markers": (lambda: b"\xff\xd8" + b"\xff" * (4 << 20), {"image_unreadable"}),
    "GIF of 65,535 x 65,535": (lambda: b"GIF89a\xff\xff\xff\xff\0\0\0" + b"\x21\xfe\0" * 1_000_000, {"image_unreadable"}),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 400 300\n%%EndComments\n{} loop\n", {"image_unreadable"}),
    "SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300"/>', {"image_unreadable"}),
    "PPM with a long header": (lambda: b"P6\n#" + b"a" * (1 << 20), {"image_unreadable"}),
    "PDF": (lambda: b"%PDF-1.7\n" + b"x" * 1000, {"image_unreadable"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_images_are_never_decoded(folder: Path, name: str) -> None:
    make, allowed = PICTURES[name]
    (folder / "bad.jpg").write_bytes(make())
    put(folder, PLAIN, "bad.xml")
    expected = allowed | {"image_truncated", "page_without_text", "size_mismatch"}
    assert codes_of(examined(folder)) <= expected


def test_names_of_any_bytes_are_reported_on_one_line(folder: Path) -> None:
    for name in (
        b"a\nb.xml",
        b"a\rb.xml",
        b"a\x1b[31mb.xml",
        b"\xff\xfe.xml",
        b"a\tb.xml",
        "e\u0301\u202e.xml".encode(),
    ):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(b"<broken")
    with open(os.path.join(os.fsencode(folder), b"x\nbad\xff.jpg"), "wb") as file:
        file.write((folder / "good.jpg").read_bytes())
    put(folder, PLAIN.replace("bad.jpg", "x&#10;bad.jpg"), "bad.xml")
    found = examined(folder)
    assert len([problem for problem in found["problems"] if problem[0] == "not_well_formed"]) == 6
    for _, file, _, message in found["problems"]:
        assert (file + message).encode("utf-8")
        assert "\n" not in message


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_what_may_not_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as made:  # pytest's own folders are closed to others
        folder = Path(made)
        folder.chmod(0o755)
        write_image(folder / "good.jpg")
        put(folder, page_xml(page_line(1), image="good.jpg"), "good.xml")
        _closed(folder)


def _closed(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o000)
    put(folder, PLAIN, "bad.xml")
    write_image(folder / "bad.jpg", 90).chmod(0o000)
    put(folder, PLAIN, "closed.xml").chmod(0o000)
    write_image(folder / "other.jpg", 80)
    found = examined(folder, nobody=True)
    assert {"not_well_formed", "image_unreadable", "folder_unreadable"} <= codes_of(found)
    assert any("closed" in problem[1] for problem in found["problems"])


def test_10_000_empty_files(folder: Path) -> None:
    for number in range(10_000):
        os.close(os.open(folder / f"{number}.xml", os.O_CREAT | os.O_WRONLY))
    found = examined(folder, seconds=300)
    assert len(found["problems"]) == 10_000


@pytest.mark.parametrize("what", ["xml", "jpg"])
@pytest.mark.parametrize("change", ["vanishes", "changes", "becomes a folder", "becomes a pipe"])
def test_files_that_change_while_they_are_read(
    folder: Path, what: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, PLAIN, "bad.xml")
    write_image(folder / "bad.jpg", 90)
    path = folder / f"bad.{what}"

    def meddle() -> None:
        with suppress(FileNotFoundError, IsADirectoryError):
            path.unlink()
        if change == "changes":
            path.write_bytes(b"something else")
        elif change == "becomes a folder":
            path.mkdir(exist_ok=True)
        elif change == "becomes a pipe":
            os.mkfifo(path)

    really = os.open
    done: list[bool] = []

    def meddled(name: object, *rest: object, **more: object) -> int:
        if not done and str(name) == str(path):
            done.append(True)
            meddle()
        return really(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", meddled)
    found = examine_folders([folder])
    assert done
    assert [page.name for page in found.pages] == ["good.xml"]
    assert {problem.code for problem in found.problems} & {"not_well_formed", "image_unreadable"}
