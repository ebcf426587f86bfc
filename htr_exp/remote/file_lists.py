"""The files of a folder here and there, and which of them have to be sent: by size and time, by content where only times differ."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from unicodedata import normalize

from htr_exp.core.errors import ConfigError
from htr_exp.core.files import sha256_file
from htr_exp.core.text import first_of, printable
from htr_exp.remote.connection import Connection

PARTIAL = ".htr-exp-partial"
"""The folder in which rsync keeps a file that came in part, beside where it will be."""

OF_SYSTEMS = (".DS_Store", "._*", "Thumbs.db", "desktop.ini")
"""Files that macOS and Windows make for themselves; they are not sent."""


@dataclass(frozen=True)
class Stamp:
    """Size in bytes and time of change in whole seconds: all file systems and both rsyncs have that."""

    size: int
    time: int


Files = Mapping[str, Stamp]
"""Files by their paths below a folder; bytes that are no UTF-8 are escaped as Python does it."""


@dataclass(frozen=True)
class Here:
    """The files of a folder here.

    Attributes:
        files: what can be sent.
        left_out: files that the system made for itself.
    """

    files: dict[str, Stamp]
    left_out: int


def files_here(folder: Path) -> Here:
    """The files of a folder, links followed.

    Raises:
        ConfigError: something in it cannot be sent: a broken link, a device, a folder that cannot be read, a circle of links.
    """
    found: dict[str, Stamp] = {}
    problems: list[str] = []
    left_out = 0

    def look(place: str, before: str, above: tuple[tuple[int, int], ...]) -> None:
        nonlocal left_out
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            problems.append(f"{printable(place)}: cannot be read ({error.strerror})")
            return
        for entry in entries:
            if any(fnmatch(entry.name, pattern) for pattern in OF_SYSTEMS):
                left_out += 1
                continue
            try:
                status = entry.stat()
            except OSError as error:
                problems.append(
                    f"{printable(entry.path)}: it leads nowhere ({error.strerror}); remove the link, or put the file there"
                )
                continue
            if stat.S_ISDIR(status.st_mode):
                this = (status.st_dev, status.st_ino)
                if this in above:
                    problems.append(f"{printable(entry.path)}: a link to a folder around it; remove it")
                else:
                    look(entry.path, f"{before}{entry.name}/", (*above, this))
            elif stat.S_ISREG(status.st_mode):
                found[before + entry.name] = Stamp(status.st_size, int(status.st_mtime // 1))
            else:
                problems.append(f"{printable(entry.path)}: it is no file; move it elsewhere")

    start = folder.stat()
    look(str(folder), "", ((start.st_dev, start.st_ino),))
    if problems:
        raise ConfigError("some of it cannot be sent:", problems[:20])
    return Here(found, left_out)


def listing(folder: str) -> str:
    """The script that lists the files of a folder there; it prints nothing where there is none.

    Args:
        folder: there, as a word of sh.
    """
    wanted = f"-name {PARTIAL} -prune -o -type f -printf '%s %T@ %P\\0'"
    return f"if [ -d {folder} ]; then cd {folder} && find -L . {wanted}; fi"


def listed(output: bytes) -> dict[str, Stamp]:
    """What `listing` printed."""
    found = {}
    for entry in output.split(b"\0"):
        if entry.strip(b"\n"):
            length, time, name = entry.lstrip(b"\n").split(b" ", 2)
            found[name.decode("utf-8", "surrogateescape")] = Stamp(int(length), int(float(time) // 1))
    return found


@dataclass(frozen=True)
class Difference:
    """What has to be sent so that a folder there has what the one here has.

    Attributes:
        new: files that are not there.
        changed: files that are otherwise there.
        same: how many are as here.
        only_there: files that are not here; they stay.
        clashes: pairs of names, here and there, which are one name to a person and to a Mac, of different files.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    same: int
    only_there: tuple[str, ...]
    clashes: tuple[tuple[str, str], ...]

    @property
    def to_send(self) -> tuple[str, ...]:
        return (*self.new, *self.changed)


def difference(folder: Path, here: Files, there: Files, connection: Connection, folder_there: str) -> Difference:
    """Compare the files of a folder here with those there.

    Args:
        folder: here.
        here, there: their files.
        connection: asked for the contents of files of one size and different times.
        folder_there: as a word of sh.
    """
    counterpart = _counterparts(here, there)
    doubtful = [
        name
        for name, other in counterpart.items()
        if here[name].size == there[other].size and (here[name].time != there[other].time or name != other)
    ]
    equal = _equal(folder, {name: counterpart[name] for name in doubtful}, connection, folder_there)
    new, changed, clashes = [], [], []
    for name, stamp in here.items():
        other = counterpart.get(name)
        if other is None:
            new.append(name)
        elif name == other and stamp != there[other] and name not in equal:
            changed.append(name)
        elif name != other and not (name in equal and normalize("NFC", name) == normalize("NFC", other)):
            clashes.append((name, other))
    taken = set(counterpart.values())
    return Difference(
        new=tuple(new),
        changed=tuple(changed),
        same=len(here) - len(new) - len(changed) - len(clashes),
        only_there=tuple(name for name in there if name not in taken),
        clashes=tuple(clashes),
    )


def _counterparts(here: Files, there: Files) -> dict[str, str]:
    """The file there that each file here is, or would be to a Mac: é has two spellings in Unicode, and case makes no difference."""
    found = {name: name for name in here if name in there}
    spelt: dict[str, str] = {_key(name): name for name in there if name not in here}
    return found | {name: spelt[key] for name in here if name not in there and (key := _key(name)) in spelt}


def _key(name: str) -> str:
    return normalize("NFC", name).casefold()


def _equal(folder: Path, doubtful: Mapping[str, str], connection: Connection, folder_there: str) -> set[str]:
    """The files here that have the same content as those there."""
    if not doubtful:
        return set()
    digests = digests_there(connection, folder_there, doubtful.values())
    return {name for name, digest in zip(doubtful, digests) if sha256_file(folder / name) == digest}


def digests_there(connection: Connection, folder_there: str, names: Iterable[str]) -> list[str]:
    """The SHA-256 of files there, in the order of their names; none where one of them cannot be read.

    Args:
        connection: to the machine.
        folder_there: as a word of sh.
        names: below that folder.
    """
    asked = [f"./{name}" for name in names]
    words = "\n".join(f"printf '%s\\0' {shlex.quote(name)}" for name in asked)
    heard = connection.run(f"cd {folder_there} || exit 1\n{{\n{words}\n}} | xargs -0 sha256sum")
    # a name with a backslash or a line break is escaped, and its line begins with a backslash
    digests = [line.lstrip("\\").partition(" ")[0] for line in heard.text.splitlines()]
    return digests if heard.code == 0 and len(digests) == len(asked) else [""] * len(asked)


def said_of_clashes(clashes: Iterable[tuple[str, str]]) -> list[str]:
    """What is said of two names for one."""
    pairs = list(clashes)
    shown = first_of([f"{printable(name)} here, {printable(other)} there" for name, other in pairs], 5)
    if not pairs:
        return []
    return [
        f"names that differ by case or by the spelling of accents alone, of different files: {shown}; rename or remove one of each"
    ]
