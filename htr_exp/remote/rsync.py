"""rsync over the connection that is there, with options alone that all its versions have: Samba's, and those of macOS (2.6.9, openrsync).

Both ends are told their folder as the current directory, so no name reaches a shell or is taken for HOST:PATH.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from htr_exp.core.errors import HtrExpError
from htr_exp.core.text import printable
from htr_exp.remote.connection import Connection
from htr_exp.remote.failures import failed, lost
from htr_exp.remote.file_lists import PARTIAL, Files

LOST = (10, 12, 20, 30, 35, 255)
"""Exit codes of a connection that ended: of the socket, of the protocol, by a signal, by time, of ssh."""

_SHARE = re.compile(rb"^\s*([\d,. ]+?)\s+(\d{1,3})%")


class TransferFailed(HtrExpError):
    """Files were not copied, though the connection is there."""


Progress = Callable[[int, int], None]
"""Told the number of files, and of bytes, that are copied so far."""


def send(
    connection: Connection, folder: Path, folder_there: str, files: Files, progress: Progress | None = None
) -> None:
    """Copy files of a folder here to one there, which must be there; what came in part before goes on.

    Args:
        connection: to the machine.
        folder: here.
        folder_there: as a word of sh.
        files: below it, with their sizes.
        progress: told how far it is.

    Raises:
        ConnectionFailed: the connection was lost.
        TransferFailed: the disk is full, a file cannot be read, or there is no rsync.
    """
    _copy(connection, folder, folder_there, files, progress, ("./", f"{connection.host}:./"))


def fetch(
    connection: Connection, folder: Path, folder_there: str, files: Files, progress: Progress | None = None
) -> None:
    """The same the other way round: `folder` here must be there."""
    _copy(connection, folder, folder_there, files, progress, (f"{connection.host}:./", "./"))


def _copy(
    connection: Connection, folder: Path, there: str, files: Files, progress: Progress | None, way: tuple[str, str]
) -> None:
    if not files:
        return
    with tempfile.TemporaryDirectory(prefix="htr-exp-") as made, tempfile.TemporaryFile() as errors:
        names = Path(made) / "names"
        names.write_bytes(b"".join(os.fsencode(f"./{name}") + b"\0" for name in files))
        argv = [
            "rsync", "-tLv", "--partial", f"--partial-dir={PARTIAL}", "-0", f"--files-from={names}", "--progress",
            "-e", connection.shell_for_others(),
            # what is said here is said to a shell there, by every version
            f"--rsync-path=printf '\\n%s\\n' {connection.mark}; cd {there} && rsync", *way,
        ]  # fmt: skip
        environment = os.environ | {"LC_ALL": "C.UTF-8"}
        try:
            process = subprocess.Popen(
                argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment
            )
        except FileNotFoundError:
            raise TransferFailed(
                "rsync is not on this machine:", ["install it (macOS has it; `apt install rsync`)"]
            ) from None
        with process:
            try:
                _listen(process, files, progress)
                code = process.wait()
            except BaseException:
                process.terminate()
                raise
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
    if code:
        raise _failure(connection, code, said)


def _listen(process: subprocess.Popen[bytes], files: Files, progress: Progress | None) -> None:
    """Follow what rsync prints: the name of each file, then how much of it has come."""
    if process.stdout is None:
        return
    done, whole, name = 0, 0, ""
    rest = b""
    while block := os.read(process.stdout.fileno(), 1 << 16):
        *lines, rest = re.split(rb"[\r\n]", rest + block)
        if progress is None:
            continue
        for line in lines:
            if (share := _SHARE.match(line)) is not None and name:
                size = files[name].size
                progress(done, whole + size * int(share[2]) // 100)
                if int(share[2]) == 100:
                    done, whole, name = done + 1, whole + size, ""
                    progress(done, whole)
            elif (found := line.decode("utf-8", "surrogateescape").removeprefix("./")) in files:
                name = found


def _failure(connection: Connection, code: int, said: str) -> HtrExpError:
    host = connection.host
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if "No space left" in said or "quota exceeded" in said.lower():
        return TransferFailed(
            "the disk or the quota is full:",
            [f"{printable(_first(lines))}; free some space and run the same command again"],
        )
    if "rsync: not found" in said or "rsync: command not found" in said or code == 127:
        return TransferFailed(
            f"{host} has no rsync:", ["ask the computing centre for it, or for the module that has it"]
        )
    if code == 255:
        return failed(host, said, was_open=connection.is_open)
    if code in LOST or code < 0:
        return lost(host)
    why = _first(lines) or f"exit code {code}"
    return TransferFailed(
        "rsync did not copy all files:", [f"rsync says: {printable(why)[:400]}; run the same command again"]
    )


def _first(lines: Sequence[str]) -> str:
    """The line that says why: the last one only says that there was an error."""
    return next((line for line in lines if not line.startswith("rsync error")), lines[-1] if lines else "")


def word(path: str) -> str:
    """A folder there as a word of sh: seen from the home folder there unless it is absolute."""
    if path.startswith("/"):
        return shlex.quote(path)
    inside = path.removeprefix("~/").removeprefix("./")
    return '"$HOME"' if inside in ("", ".", "~") else f'"$HOME"/{shlex.quote(inside)}'
