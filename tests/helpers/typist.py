"""Somebody types at a shell: a real one, on a terminal of its own, that has read the line which `completion` tells people to write."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType

from helpers.waiting import TIMEOUT_S

PROMPT = "READY"

STARTS = {
    "bash": (".bashrc", f"PS1={PROMPT}"),
    "zsh": (".zshrc", f"PS1={PROMPT}; autoload -Uz compinit && compinit -u"),
    "fish": (
        ".config/fish/config.fish",
        f"function fish_prompt; echo {PROMPT}; end; set -g fish_autosuggestion_enabled 0",
    ),
}
"""The file that a shell reads at its start, and what stands in it before the line under test."""

TO_THE_FRONT = "\x01"
"""Ctrl-A."""


class Typist:
    """A shell, and what is typed.

    Args:
        shell: its name.
        line: it stands at the end of the shell's own file.
        home: an empty folder.
    """

    def __init__(self, shell: str, line: str, home: Path) -> None:
        self._said = home / "said.txt"
        name, start = STARTS[shell]
        for file in (home / name, home / "bin" / "said"):
            file.parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"{start}\n{line}\n")
        program = home / "bin" / "said"
        program.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$@\" > '{self._said}.new' && mv '{self._said}.new' '{self._said}'\n"
        )
        program.chmod(0o755)
        folders = [
            str(program.parent),
            str(Path(sys.executable).parent),
            str(Path(shutil.which(shell)).parent),
            os.defpath,
        ]
        environment = {"PATH": os.pathsep.join(folders), "HOME": str(home), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        environment |= {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [shell, "-i"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._shown = b""
        self._until(lambda: PROMPT.encode() in self._shown)

    def __enter__(self) -> Typist:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._terminal)
        self._process.kill()
        self._process.wait()

    def words(self, typed: str) -> list[str]:
        """The words that a line has become, which begins as typed; TAB is among the keys."""
        self._said.unlink(missing_ok=True)
        os.write(self._terminal, f"{typed}{TO_THE_FRONT}said \r".encode())
        self._until(self._said.exists)
        return self._said.read_text("utf-8").splitlines()

    def _until(self, condition) -> None:
        """Read what is shown until something is so: a shell that nobody reads from stands still."""
        end = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < end, f"waited {TIMEOUT_S} s; shown: {self._shown[-2000:]!r}"
            if select.select([self._terminal], [], [], 0.05)[0]:
                self._shown += os.read(self._terminal, 65536)
                if self._shown.endswith((b"\x1b[c", b"\x1b[0c")):  # fish asks which terminal it is
                    os.write(self._terminal, b"\x1b[?62c")
