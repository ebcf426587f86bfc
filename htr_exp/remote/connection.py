"""One ssh connection for many calls: the user's own ssh makes it, with the user's configuration, keys and agent.

A login shell may print whatever it likes (a message of the day, an `echo` in .bashrc): what we asked for stands between two
marks that nobody else writes. No password passes through here; ssh itself asks, on the terminal.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType

from htr_exp.core.program import NoAnswer, ask
from htr_exp.remote.failures import CONNECTION_LOST, ConnectionFailed, failed, lost

SSH = "HTR_EXP_SSH"
"""The variable that names another ssh than the one on the PATH, with its options, as a shell reads it: `ssh -F FILE`."""

STAYS_S = 600
"""How long a connection of ours waits for the next command, seconds: a hardware key is asked for once in this time."""

ANSWER_S = 20
"""How long the other machine may take to answer at all, seconds, where the user's configuration does not say."""

ALIVE_S = 15
"""How often a silent connection is tried, seconds; it is given up after four times."""

MOST_SOCKET_BYTES = 103
"""Of the path of a socket on macOS (104 with its end)."""

SOCKET_BYTES = len("/") + 40 + len(".0123456789abcdef")
"""What ssh puts behind our folder: a digest of user, host and port, and for a moment an ending."""


@dataclass(frozen=True)
class Heard:
    """What a script there has said.

    Attributes:
        code: its exit code.
        output: what it printed, and nothing that its login shell printed.
        errors: what ssh, the login shell and the script wrote on stderr.
    """

    code: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "surrogateescape")


@dataclass
class Connection:
    """A machine that ssh reaches.

    Use it with `with`: opening it tells in plain words why it cannot be reached. What stays open of it after the end of the
    command serves the next ones, for `STAYS_S`.

    Attributes:
        host: as ssh knows it.
        is_open: the machine has answered.
    """

    host: str
    is_open: bool = False
    _is_for_once: bool = False
    _made: list[Path] = field(default_factory=list)

    def __enter__(self) -> Connection:
        self.run("true")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_for_once:
            self.stop()
        for folder in self._made:
            shutil.rmtree(folder, ignore_errors=True)

    @cached_property
    def _program(self) -> list[str]:
        """The user's ssh."""
        return shlex.split(os.environ.get(SSH, "")) or ["ssh"]

    @cached_property
    def _configured(self) -> dict[str, str]:
        """What the user's configuration says of this host, as ssh itself reads it.

        Raises:
            ConnectionFailed: there is no ssh, or it does not take its configuration.
        """
        try:
            answer = ask([*self._program, "-G", self.host], timeout_s=ANSWER_S, name="ssh")
        except NoAnswer as why:
            raise ConnectionFailed(
                f"{self.host} cannot be reached:", [f"{why}: install OpenSSH, or set {SSH}"]
            ) from None
        if answer.code:
            raise failed(self.host, answer.errors)
        return dict(line.split(" ", 1) for line in answer.output.splitlines() if " " in line)

    @cached_property
    def _shares(self) -> bool:
        """Whether the user's own configuration keeps connections open, for which it then has a place of its own."""
        configured = self._configured
        return configured.get("controlpath", "none") != "none" and configured.get("controlmaster", "false") != "false"

    @cached_property
    def argv(self) -> list[str]:
        """ssh with all options, without the host. Each call of it uses the connection that is there, or opens it."""
        configured = self._configured
        options = [
            # what a configuration asks for where a person works there, and what would be in our way
            *("RemoteCommand=none", "ClearAllForwardings=yes", "PermitLocalCommand=no", "ForwardX11=no"),
        ]
        if not self._shares:
            folder = self._sockets()
            options += ["ControlMaster=auto", f"ControlPath={folder}/%C", f"ControlPersist={STAYS_S}"]
        if configured.get("connecttimeout", "none") == "none":
            options.append(f"ConnectTimeout={ANSWER_S}")
        if configured.get("serveraliveinterval", "0") == "0":
            options += [f"ServerAliveInterval={ALIVE_S}", "ServerAliveCountMax=4"]
        if not can_ask():
            options.append("BatchMode=yes")
        return [*self._program, *(f"-o{option}" for option in options)]

    def _sockets(self) -> Path:
        """A folder of this account alone for the sockets of connections, with a short name.

        It is used by later commands, too; one that somebody else made under its name is left alone.
        """
        folder = _socket_folder()
        is_short = len(os.fsencode(folder)) + SOCKET_BYTES <= MOST_SOCKET_BYTES
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
            is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
            if is_ours and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) and is_short:
                return folder
        self._is_for_once = True
        return self._folder()

    def _folder(self) -> Path:
        """A folder of this command alone, which is removed with the connection."""
        self._made.append(Path(tempfile.mkdtemp(prefix="htr-", dir="/tmp")))
        return self._made[-1]

    def run(self, script: str, *, timeout_s: float | None = None) -> Heard:
        """Run a script of sh there, whatever the login shell is, to its end.

        Args:
            script: of POSIX sh; it reads nothing.
            timeout_s: how long it may take, seconds; None: as long as the connection lives.

        Raises:
            ConnectionFailed: the machine cannot be reached, or was lost before the script ended.
        """
        begin, end = (f"htr-exp-{secrets.token_hex(8)}-{word}" for word in ("begin", "end"))
        whole = f"printf '\\n%s\\n' {begin}\n(\n{script}\n) </dev/null\nprintf '\\n%s %s\\n' {end} $?\n"
        code, output, errors = self._call(
            ["-T", self.host, "exec /bin/sh -s"], whole.encode("utf-8", "surrogateescape"), timeout_s
        )
        before, found, rest = output.partition(f"\n{begin}\n".encode())
        said, ended, last = rest.rpartition(f"\n{end} ".encode())
        if not found and code in (CONNECTION_LOST, -9):
            raise failed(self.host, errors, was_open=self.is_open)
        if not found:
            words = (errors.strip() or before.decode("utf-8", "replace").strip() or f"exit code {code}").splitlines()[
                -1
            ]
            what = f"the login shell there ran nothing; it says: {words[:300]}"
            raise ConnectionFailed(
                f"{self.host} cannot be used:", [f"{what}; try `ssh {self.host} true` in a terminal"]
            )
        self.is_open = True
        if not ended:
            raise lost(self.host)
        return Heard(int(last.split()[0]), said, errors)

    def _call(self, words: Sequence[str], given: bytes, timeout_s: float | None) -> tuple[int, bytes, str]:
        # stderr is a file: a connection that stays open keeps it open, and nobody would see the end of a pipe.
        with tempfile.TemporaryFile() as errors:
            environment = os.environ | {"LC_ALL": "C.UTF-8"}
            try:
                process = subprocess.Popen(
                    [*self.argv, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
                )
            except OSError as failure:
                raise ConnectionFailed(
                    f"{self.host} cannot be reached:", [f"ssh does not start: {failure.strerror}"]
                ) from None
            try:
                output, _ = process.communicate(given, timeout=timeout_s)
            except BaseException as ended:
                process.kill()
                process.wait()
                if isinstance(ended, subprocess.TimeoutExpired):
                    said = f"it did not answer within {timeout_s:g} s"
                    raise ConnectionFailed(
                        f"{self.host} does not answer:", [f"{said}; run the same command again"]
                    ) from None
                raise
            errors.seek(0)
            return process.returncode, output, errors.read().decode("utf-8", "replace")

    def shell_for_others(self) -> str:
        """The command by which a program such as rsync reaches the machine, in words without blanks inside and without quotes.

        What its login shell prints before `mark` is left out.
        """
        folder = self._folder()
        script = folder / "shell"
        ours = [sys.executable, str(Path(__file__).with_name("after_mark.py")), self.mark, *self.argv]
        script.write_text(f'exec {shlex.join(ours)} "$@"\n')
        return f"/bin/sh {script}"

    @cached_property
    def mark(self) -> str:
        """What a command that `shell_for_others` starts prints first, on a line of its own."""
        return f"htr-exp-{secrets.token_hex(8)}"

    def stop(self) -> None:
        """End a connection of ours that would wait for the next command."""
        if not self._shares:
            with contextlib.suppress(NoAnswer):
                ask([*self.argv, "-O", "exit", self.host], timeout_s=ANSWER_S)


def _socket_folder() -> Path:
    # TMPDIR of macOS is too long for it
    return Path(f"/tmp/htr-exp-{os.geteuid()}")  # noqa: S108 - its owner and its mode are looked at


def can_ask() -> bool:
    """Whether ssh can ask somebody: for a passphrase, a code, a touch of a key, or whether a host key is right."""
    if os.environ.get("SSH_ASKPASS"):
        return True
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
