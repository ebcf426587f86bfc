"""How much still fits into a folder there: what the disk, and each program for quotas that the site has, says of it.

Sites have different programs: `quota`, Lustre's `lfs quota`, one of their own called `diskquota`. What cannot be read is said
to be unknown, in its own words.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from htr_exp.core.text import printable, size

PROGRAMS = ("df", "quota", "lfs", "diskquota")

_KIB = 1024
_UNITS = {"": 1, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_AMOUNT = r"(\d+(?:[.,]\d+)?)\s*([kmgtp]?)i?(?:[bo]|octets|bytes)?"
_OF = re.compile(rf"{_AMOUNT}\s*(?:/|of|sur|out of)\s*{_AMOUNT}(?![\w.])", re.IGNORECASE)
"""`12.5 GB of 500 GB`, `12,5 Go / 500 Go`."""


@dataclass(frozen=True)
class Limit:
    """What one program says of a folder.

    Attributes:
        program: df, quota, lfs or diskquota.
        free: bytes; None where it says nothing of bytes, or there is no limit.
        free_files: files; None likewise.
        unread: what it said, where nothing could be read from it; "" where something was.
    """

    program: str
    free: int | None = None
    free_files: int | None = None
    unread: str = ""


def script(folder: str) -> str:
    """The script that asks there, in the words that `limits` reads.

    Args:
        folder: there, as a word of sh; it may not be made yet.
    """
    ask = {
        "df": "df -Pk . && df -Pi . | tail -n 1",
        "quota": "quota -w",
        "lfs": 'lfs quota -u "$(id -un)" .',
        "diskquota": "diskquota",
    }
    # the nearest folder that is there; a program that hangs on a dead file server is not waited for
    lines = [f"d={folder}", 'while [ ! -d "$d" ]; do d=$(dirname "$d"); done', 'cd "$d" || exit 1']
    lines.append('t=; command -v timeout >/dev/null 2>&1 && t="timeout 20"')
    for program in PROGRAMS:
        run = f"$t sh -c {shlex.quote(ask[program])} 2>&1 | head -n 60"
        lines.append(f"if command -v {program} >/dev/null 2>&1; then echo '== {program}'; {run}; fi")
    return "\n".join([*lines, "true"])


def limits(said: str) -> list[Limit]:
    """What the answers to `script` say."""
    parts = re.split(rf"^== ({'|'.join(PROGRAMS)})$", said, flags=re.MULTILINE)
    answers = dict(zip(parts[1::2], parts[2::2]))
    device = (re.search(r"^(\S.*?)\s+\d+\s+\d+\s+-?\d+\s+\d+%", answers.get("df", ""), re.MULTILINE) or [None, ""])[1]
    return [limit for program, text in answers.items() for limit in _limits_of(program, text, device or "")]


def _limits_of(program: str, text: str, device: str) -> Iterator[Limit]:
    if program == "df":
        rows = re.findall(r"\s(\d+)\s+(\d+|-)\s+(-?\d+|-)\s+(?:\d+%|-)\s+/", text)
        if not rows:
            yield Limit("df", unread=_first(text))
            return
        free = int(rows[0][2]) * _KIB if rows[0][2] != "-" else None
        files = int(rows[1][2]) if len(rows) > 1 and rows[1][2] != "-" and int(rows[1][0]) else None
        yield Limit("df", free=free if free is None else max(free, 0), free_files=files)
    elif program in ("quota", "lfs"):
        yield from _table(program, text, device)
    elif (amounts := _OF.search(text)) is not None:
        used, limit = (_bytes(*amounts.group(number, number + 1)) for number in (1, 3))
        if not amounts[2]:  # `12.5 / 500 GB`: one unit for both
            used = _bytes(amounts[1], amounts[4])
        yield Limit(program, free=max(limit - used, 0))
    else:
        yield Limit(program, unread=_first(text))


def _table(program: str, text: str, device: str) -> Iterator[Limit]:
    """The rows of `quota -w` and `lfs quota`: used, soft and hard limit in KiB, grace, then the same of files; 0 is no limit."""
    number = r"(\d+)\*?"
    row = re.compile(
        rf"^\s*(\S+)\s+{number}\s+{number}\s+{number}\s+(?:(?!\d+\s+\d+\s+\d+)\S+\s+)?{number}\s+{number}\s+{number}",
        re.MULTILINE,
    )
    # a long name of a file system has a line of its own
    rows = row.findall(re.sub(r"^(\s*/\S+)\n\s+(?=\d)", r"\1 ", text, flags=re.MULTILINE))
    of_device = [one for one in rows if one[0] == device] if program == "quota" else rows
    if not of_device:
        if not rows and text.strip() and not re.search(r":\s*none\s*$", text.strip()):
            yield Limit(program, unread=_first(text))
        return
    for _, blocks, soft, hard, files, soft_files, hard_files in of_device:
        yield Limit(program, free=_left(blocks, soft, hard, _KIB), free_files=_left(files, soft_files, hard_files, 1))


def _left(used: str, soft: str, hard: str, unit: int) -> int | None:
    most = int(hard) or int(soft)
    return max(most - int(used), 0) * unit if most else None


def _bytes(amount: str, unit: str) -> int:
    return int(float(amount.replace(",", ".")) * 1000 ** _UNITS[unit.lower()])


def _first(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable(lines[0])[:200] if lines else "nothing"


def too_much(found: list[Limit], need: int, files: int) -> list[str]:
    """Which limits would be met, in words; none where all that is known leaves room.

    Args:
        found: the limits there.
        need: bytes that come.
        files: how many.
    """
    said = []
    for limit in found:
        name = "the disk there" if limit.program == "df" else f"the quota there ({limit.program})"
        if limit.free is not None and need > limit.free:
            said.append(f"{size(need)} are to be sent, and {name} has room for {size(limit.free)}")
        if limit.free_files is not None and files > limit.free_files:
            said.append(f"{files} files are to be sent, and {name} has room for {limit.free_files}")
    return said


def room(found: list[Limit]) -> str:
    """How much room there is, and what is not known of it, in words."""
    known = [(limit.free, limit.program) for limit in found if limit.free is not None]
    unread = [f"{limit.program} says: {limit.unread}" for limit in found if limit.unread]
    quota = any(limit.program != "df" and limit.free is not None for limit in found)
    free, program = min(known) if known else (None, "")
    words = "room there: unknown" if free is None else f"room there: {size(free)} (says {program})"
    if not quota:
        words += "; a quota is not known" if not unread else ""
    return "; ".join([words, *unread])
