"""Files, links and names that mean harm end in lines of the report: no hang, no crash, no escape."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from helpers.bounded import PLAIN, codes_of, examined
from helpers.page_files import page_line, page_xml, put, write_image
from htr_exp.groundtruth.examine import examine_folders

pytestmark = [
    pytest.mark.seconds,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory used is read from /proc"),
]


OUTSIDE = {
    "absolute": "/etc/passwd",
    "absolute, there": "{folder}/../outside.jpg",
    "climbing": "../outside.jpg",
    "climbing far": "../" * 50 + "etc/passwd",
    "climbing and back": "../pages/../outside.jpg",
    "other slashes": "..\\outside.jpg",
    "in percent signs": "%2e%2e/outside.jpg",
    "a drive": "C:\\outside.jpg",
    "nothing but slashes": "//",
}
"""Images that a page names, and that lie outside its folder."""

NOWHERE = {
    "an address": "http://127.0.0.1:9/outside.jpg",
    "a line break": "out&#10;side.jpg",
    "control characters": "out&#9;side&#13;.jpg",
    "10,000 characters": "a" * 10_000 + ".jpg",
    "10,000 folders": "a/" * 10_000 + "b.jpg",
    "the folder": ".",
    "a home": "~/outside.jpg",
    "a variable": "$HOME/outside.jpg",
    "bidirectional marks": "gpj.\u202eoutside.jpg",
}
"""Names that mean no file of the folder, whatever another program would make of them."""


@pytest.mark.parametrize(
    ("name", "code"), [(name, "image_outside") for name in OUTSIDE] + [(name, "image_missing") for name in NOWHERE]
)
def test_no_image_outside_the_folder_is_opened(folder: Path, name: str, code: str) -> None:
    write_image(folder.parent / "outside.jpg", 90)
    image = (OUTSIDE | NOWHERE)[name].replace("{folder}", str(folder))
    put(folder, PLAIN.replace("bad.jpg", image), "bad.xml")
    found = examined(folder)
    assert found["pages"] == ["good.xml"]
    assert codes_of(found) == {code}


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
    assert codes_of(examined(folder)) == {"not_well_formed", "image_unreadable"}


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
    assert codes_of(examined(folder)) == {"image_unreadable"}


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

    def meddled(name: Any, *rest: Any, **more: Any) -> int:
        if not done and str(name) == str(path):
            done.append(True)
            meddle()
        return really(name, *rest, **more)

    monkeypatch.setattr(os, "open", meddled)
    found = examine_folders([folder])
    assert done
    assert [page.name for page in found.pages] == ["good.xml"]
    assert {problem.code for problem in found.problems} & {"not_well_formed", "image_unreadable"}
