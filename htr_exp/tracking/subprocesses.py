"""Recording in MLflow by processes of their own: MLflow's import alone takes 150 MB, and no training may fail or wait because of it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from htr_exp.core.own_command import own_command
from htr_exp.core.own_python import python_module
from htr_exp.core.program import NoAnswer, ask
from htr_exp.core.signals import bound_to_us
from htr_exp.core.terminal import say
from htr_exp.core.text import and_more, counted
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import sync

END_S = 5.0
"""How long a run that has ended waits for its last record; `sync` adds what a slower server missed."""

LEAVE_S = 1.0
"""How long its reporter may then take to give up what it holds."""

SYNC_S = 600.0
"""How long a `sync` of other runs may take."""

FILE = "sqlite:"
"""How a store begins that one process at a time writes, on one machine."""


def _later() -> str:
    return f"`{own_command('sync')}` records it"


def record(runs: Sequence[RunDir], workspace: Path) -> list[str]:
    """Record runs where their experiments say, by a short process; return what did not work, in plain words."""
    argv = python_module("htr_exp", "sync", "--json", f"--workspace={workspace}")
    try:
        rows = _rows(ask([*argv, *(str(run.path) for run in runs)], timeout_s=SYNC_S, name="`sync`").output)
    except (NoAnswer, ValueError) as error:
        return [f"not recorded in MLflow: {error}; `{own_command('sync')}` tries again"]
    return list(dict.fromkeys(row["problem"] for row in rows if row.get("problem")))


def record_new(runs: Sequence[RunDir], workspace: Path, *, servers: bool) -> None:
    """Record those runs that MLflow does not show as they are, saying so; what does not work is a warning.

    Args:
        runs: of one workspace.
        workspace: where the embedded store lies.
        servers: as of `sync.due`.
    """
    new = [RunDir(path) for path in sync.due([run.path for run in runs], workspace, servers=servers)]
    if not new:
        return
    say(f"Recording {counted(len(new), 'run')} in MLflow", error=True)
    problems = record(new, workspace)
    if problems:
        more = f" ({and_more(len(problems) - 1)} like it: `{own_command('sync')}`)" if len(problems) > 1 else ""
        say(f"warning: {problems[0]}{more}", error=True)


def record_ended(run: RunDir, workspace: Path, *, at_once: bool) -> list[str]:
    """Record a run that ended here, unless it reported itself; return what did not work, in plain words.

    Args:
        run: the run.
        workspace: where the embedded store lies.
        at_once: the user waits for the end of everything: the embedded store is left to `sync`.
    """
    store = sync.store_of(run.path, workspace)
    if store is None:
        return []
    if store.startswith(FILE):
        later = [f"{run.name} is not recorded in MLflow as it ended: {_later()}"]
        return later if at_once else record([run], workspace)
    # it was accompanied to its end; if that did not do, trying again now would make the next run wait
    return (
        [f"{run.name} is not wholly in MLflow (see {run.log}): {_later()}"] if sync.due([run.path], workspace) else []
    )


@contextmanager
def reporting(run: RunDir, workspace: Path, uri: str | None) -> Iterator[None]:
    """Report a run to a tracking server while the body works in it; the body never waits for it, nor for its end long.

    Args:
        run: the run; nothing is reported before this process holds it.
        workspace: paths are shown relative to it.
        uri: the server; None: report nothing. An SQLite file is none: jobs on several machines would spoil it.
    """
    if uri is None or uri.startswith(FILE):
        yield
        return
    try:
        reporter = _reporter(run, workspace, uri)
    except OSError as error:
        note(run, f"{error}")
        yield
        return
    try:
        yield
    finally:
        _end(reporter, run)


def note(run: RunDir, why: str) -> None:
    """Write into the run's log that it is not reported; a log that cannot be written either is no reason to fail."""
    with contextlib.suppress(OSError):
        run.note(f"not reported live: {why.partition('; the run folders')[0]}; {_later()}")


def _reporter(run: RunDir, workspace: Path, uri: str) -> subprocess.Popen[bytes]:
    """Start the process that reports a run until its standard input ends, which it does with us."""
    run.live.mkdir(exist_ok=True)
    reporter = subprocess.Popen(
        python_module("htr_exp.tracking.live", str(run.path), str(workspace)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches us alone
        preexec_fn=bound_to_us(signal.SIGKILL, deaf_to=(signal.SIGINT, signal.SIGUSR2)),
    )
    assert reporter.stdin is not None  # noqa: S101 - opened as a pipe above
    with contextlib.suppress(OSError):  # it died at once; nobody misses it before the end
        reporter.stdin.write(f"{uri}\n".encode())  # not an argument: `ps` shows those, and it may hold a password
        reporter.stdin.flush()
    return reporter


def _end(reporter: subprocess.Popen[bytes], run: RunDir) -> None:
    assert reporter.stdin is not None  # noqa: S101 - opened as a pipe above
    try:
        with contextlib.suppress(OSError):
            reporter.stdin.close()
        reporter.wait(END_S)
    except subprocess.TimeoutExpired:
        note(run, f"the server did not take the end of the run within {END_S:.0f} s")
        reporter.send_signal(signal.SIGALRM)  # it gives up its lock on the run's record
        with contextlib.suppress(subprocess.TimeoutExpired):
            reporter.wait(LEAVE_S)
    finally:
        reporter.kill()
        reporter.wait()


def _rows(text: str) -> list[dict[str, Any]]:
    """The JSON list that a verb printed as its last line.

    Raises:
        ValueError: there is none.
    """
    last = [line for line in text.splitlines() if line.strip()][-1:]
    if not last:
        raise ValueError("it said nothing")
    rows: list[dict[str, Any]] = json.loads(last[0])
    return rows
