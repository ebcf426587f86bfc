"""One program of kraken's under way: what it finds in its environment, and how it is heard and ended."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.core.signals import bound_to_us
from htr_exp.kraken import apptainer


def settings(threads: int, *, bars: bool = False) -> dict[str, str]:
    """The variables that kraken's programs run under whatever the user's shell says.

    COLUMNS is wide because kraken logs through rich, which breaks lines at the terminal's width even where there is none.

    Args:
        threads: of its numeric libraries.
        bars: kraken draws its bars, as rich does where it believes that there is a terminal.
    """
    terminal = {"TERM": "xterm", "FORCE_COLOR": "1"} if bars else {"TERM": "dumb"}
    return {
        "COLUMNS": "400",
        **terminal,
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": str(threads),
        "LC_ALL": "C.UTF-8",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
    }


def environment(threads: int, variables: Mapping[str, str] | None = None, *, bars: bool = False) -> dict[str, str]:
    """All that kraken's programs find in their environment: ours, or `variables`, without what is not for them."""
    given = os.environ if variables is None else variables
    kept = {name: value for name, value in given.items() if not name.startswith(_NOT_FOR_KRAKEN)}
    return kept | settings(threads, bars=bars)


# the last two are how a user, or a system that builds software, makes rich believe in a terminal, or not
_NOT_FOR_KRAKEN = ("MLFLOW_", "SLURM_", "HYDRA_", "FORCE_COLOR", "TTY_")


DEAF_TO = (signal.SIGUSR2, signal.SIGINT, signal.SIGHUP)
"""Signals that are for us alone, though Slurm, a terminal or a shutdown may send them to every process: we decide what they mean.

SIGUSR2 would end kraken while we make it write its checkpoint, SIGINT and SIGHUP before we can.
"""


def was_killed(code: int) -> bool:
    """Whether a signal ended a program, by its exit code: negative, or, through a shell or an image, 128 and its number."""
    return code < 0 or code - 128 in set(signal.Signals)


@contextlib.contextmanager
def made_for(program: str, scratch: Path) -> Iterator[None]:
    """Make the folder of a program's temporary files, for its user alone, and remove it with all that is left in it.

    Raises:
        RuntimeUnavailableError: it cannot be made.
    """
    try:
        scratch.mkdir(mode=0o700)
    except OSError as error:
        why = f"{scratch.parent}: {program} cannot keep temporary files there ({error.strerror})"
        raise RuntimeUnavailableError(why, ["set TMPDIR to a folder that can be written and has some room"]) from None
    try:
        yield
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class Process:
    """One program under way, in a process group of its own, heard line by line.

    It dies with us: a training that nobody hears any more would write beside the one that takes its place.

    Args:
        argv: the program and its arguments.
        variables: its environment.
        on_line: called with each line of its output, without the line end.
        folder: where it runs.
        scratch: the folder of its temporary files, which is made for it, and removed when it has ended; None: it has none.
        in_image: it is apptainer, and the program ends when its standard input does.

    Raises:
        RuntimeUnavailableError: that folder cannot be made.
        OSError: the program does not start.
    """

    def __init__(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        *,
        on_line: Callable[[str], None],
        folder: Path,
        scratch: Path | None = None,
        in_image: bool = False,
    ) -> None:
        self._on_line, self._in_image = on_line, in_image
        with contextlib.ExitStack() as temporary:
            if scratch is not None:
                temporary.enter_context(made_for("kraken", scratch))
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE if in_image else subprocess.DEVNULL,  # never written to: it closes when we end
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(variables),
                cwd=folder,
                start_new_session=True,  # Ctrl-C reaches us alone, and we decide what it means
                preexec_fn=bound_to_us(signal.SIGKILL, deaf_to=DEAF_TO),
            )
            self._temporary = temporary.pop_all()
        self.pid = self._process.pid
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe above
        # a bar is drawn again behind a carriage return
        with io.TextIOWrapper(self._process.stdout, encoding="utf-8", errors="replace", newline=None) as said:
            for line in said:
                self._on_line(line.rstrip())

    def poll(self) -> int | None:
        """The exit code once it has ended and been heard to its end, else None."""
        code = self._process.poll()
        if code is not None:
            self._listener.join()
            self._temporary.close()
        return code

    def wait(self, timeout: float) -> int | None:
        """Wait up to `timeout` seconds; return the exit code, or None while it runs."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return self.poll()

    def stop(self, grace: float = 60.0) -> None:
        """Ask it to end (SIGTERM: kraken writes its state first), and end it after `grace` seconds."""
        if self._in_image:  # apptainer hands it on; its group would lose the image's files
            self._process.terminate()
        else:
            self._signal(signal.SIGTERM)
        if self.wait(grace) is None:
            self.kill()

    def kill(self) -> None:
        """End it at once, with its children."""
        if self._in_image:
            apptainer.kill(self.pid)
        self._signal(signal.SIGKILL)
        self.wait(30)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
