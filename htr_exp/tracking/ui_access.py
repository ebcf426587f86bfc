"""Who may use the MLflow UI: the browser that showed a one-time token, for the account that started the UI."""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

READING = frozenset({"GET", "HEAD", "OPTIONS"})

_OUR_NAMES = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.ASCII)

_TCP = Path("/proc/net/tcp")
"""The table of this machine's connections on Linux: whose each one is, among others."""

_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9
"""Its columns."""


class Access:
    """The token that lets the next browser in, and the sessions of those that are in."""

    def __init__(self) -> None:
        self.token = _secret()
        # Browsers give a cookie to every port of a host name: two servers may not share the name of theirs.
        self.cookie = f"htr_exp_ui_{secrets.token_hex(4)}"
        self._sessions: set[str] = set()

    def enter(self, token: str) -> str | None:
        """Spend the token on a new session, which is returned; None if it is not the right one."""
        if not _equal(token, self.token):
            return None
        self.token = _secret()
        session = _secret()
        self._sessions.add(session)
        return session

    def knows(self, session: str) -> bool:
        """Whether a browser shows a session of ours."""
        return any(_equal(session, one) for one in self._sessions)


def foreign(method: str, headers: Mapping[str, str]) -> str | None:
    """Why a request does not come from a page of ours, in plain words, or None if it does.

    A page of another site, or of another port of this machine, can make a browser ask us for things, and the browser
    adds our cookie where it takes both for one site. A name that its owner points at this machine makes it our page.

    Args:
        method: of the request.
        headers: of the request, whatever their case.
    """
    host = headers.get("Host", "").lower()
    if not _OUR_NAMES.fullmatch(host):
        return "MLflow is asked here by the names 127.0.0.1 and localhost alone."
    origin = headers.get("Origin")
    if origin is not None and origin.lower() != f"http://{host}":
        return "A page of another address asked for this."
    site = headers.get("Sec-Fetch-Site", "none")
    if site not in ("same-origin", "none") and not (method == "GET" and _goes_there(headers)):
        return "A page of another address asked for this."
    return None


def led_here(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site has led the browser to us: it keeps a strict cookie back then."""
    return headers.get("Sec-Fetch-Site") == "cross-site" and _goes_there(headers)


def _goes_there(headers: Mapping[str, str]) -> bool:
    """Whether the browser's window goes to us, which shows the other page nothing."""
    return (headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")) == ("navigate", "document")


def account_of(there: tuple[str, int], here: tuple[str, int]) -> int | None:
    """The account whose program holds the other end of a connection within this machine.

    Args:
        there: address and port of the other end.
        here: those of our end.

    Returns:
        The user id; -1 if the program has closed its end already; None where the system does not tell, which is
        everywhere but on Linux.
    """
    ends = [_as_listed(there), _as_listed(here)]
    with contextlib.suppress(OSError), open(_TCP, encoding="ascii") as table:
        for line in table:
            row = line.split()
            if row[_LOCAL : _REMOTE + 1] == ends:
                return int(row[_UID]) if row[_INODE] != "0" else -1
    return None


def _as_listed(end: tuple[str, int]) -> str:
    return f"{int.from_bytes(socket.inet_aton(end[0]), sys.byteorder):08X}:{end[1]:04X}"


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _equal(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that does not tell how far they are."""
    return secrets.compare_digest(one.encode("utf-8", "backslashreplace"), other.encode())
