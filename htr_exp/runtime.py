"""Where kraken is, which version, and how one of its commands is run and heard."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp import slurm
from htr_exp.errors import RuntimeUnavailableError
from htr_exp.stop import bound_to_us

SUPPORTED = re.compile(r"7\.1\.\d+$")


@dataclass(frozen=True)
class Kraken:
    """An installed kraken."""

    version: str
    folder: Path  # of its programs ketos and kraken

    def program(self, name: str) -> str:
        """Return the path of `ketos` or `kraken`."""
        return str(self.folder / name)


def find(ketos: str | None, wanted: str | None) -> Kraken:
    """Find kraken on this machine: `ketos` as given, else beside the running Python, else on PATH.

    Args:
        ketos: runtime.ketos.
        wanted: runtime.kraken, the version it must have.

    Raises:
        RuntimeUnavailableError: there is none, it does not start, or its version is another or not supported.
    """
    beside = Path(sys.executable).parent / "ketos"
    if ketos is not None:
        program = shutil.which(str(Path(ketos).expanduser()))
        if program is None:
            raise RuntimeUnavailableError(f"runtime.ketos={ketos}: there is no such program")
        path = Path(program)
    elif beside.exists():
        path = beside
    else:
        on_path = shutil.which("ketos")
        if on_path is None:
            raise RuntimeUnavailableError(
                "kraken is not installed here",
                ["install it with `pip install 'htr-exp[kraken]'`, or name it: runtime.ketos=PROGRAM"],
            )
        path = Path(on_path)
    own = path.parent.absolute() == beside.parent.absolute()
    version = _installed_version() if own else None
    version = version or _version_said_by(path)
    if wanted is not None and version != wanted:
        raise RuntimeUnavailableError(f"runtime.kraken={wanted}: {path} is kraken {version}")
    if not SUPPORTED.match(version):
        raise RuntimeUnavailableError(
            f"{path} is kraken {version}: supported is 7.1.x; install it with `pip install 'htr-exp[kraken]'`"
        )
    return Kraken(version, path.parent.absolute())


def stated(ketos: str | None, version: str) -> Kraken:
    """Return a kraken that is not here but where the run goes, as the configuration says; the job verifies it.

    Args:
        ketos: runtime.ketos; default: beside the running Python, which the job uses too, else on the node's PATH.
        version: runtime.kraken.

    Raises:
        RuntimeUnavailableError: that version is not supported.
    """
    if not SUPPORTED.match(version):
        raise RuntimeUnavailableError(f"runtime.kraken={version}: supported is 7.1.x")
    beside = Path(sys.executable).parent
    named = Path(ketos).expanduser().parent if ketos else beside if (beside / "ketos").exists() else Path()
    return Kraken(version, named.absolute() if str(named) != "." else named)


def _installed_version() -> str | None:
    try:
        return importlib.metadata.version("kraken")
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def _version_said_by(ketos: Path) -> str:
    try:
        said = subprocess.run(
            [str(ketos), "--version"], capture_output=True, text=True, timeout=300, env=environment(1)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeUnavailableError(f"{ketos} does not start: {error}") from None
    found = re.search(r"version (\S+)", said.stdout)
    if said.returncode or not found:
        last = (said.stderr or said.stdout).strip().splitlines()[-1:] or ["it says nothing"]
        raise RuntimeUnavailableError(f"{ketos} --version fails: {last[0]}")
    return found[1]


def device(asked: str) -> str:
    """Return the device that `training.device` means on this machine: `auto` is CUDA where there is one, else the CPU."""
    if asked != "auto":
        return asked
    smi = shutil.which("nvidia-smi")
    if smi and subprocess.run([smi, "-L"], capture_output=True, text=True).stdout.startswith("GPU"):
        return "cuda:0"
    return "cpu"


def workers(asked: int | None, device: str) -> int:
    """Return how many processes load lines for a training.

    On the CPU they cost 2 to 11 times the time of the training itself; a GPU waits for them. More than eight were never of use.

    Args:
        asked: training.workers.
        device: as kraken names it.
    """
    if asked is not None:
        return asked
    return 0 if device.startswith("cpu") else max(min(_cpus() - 1, 8), 0)


def _cpus() -> int:
    """Return the CPUs that this process may use: those of its Slurm job, where it is in one."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    allowed = slurm.usable_cpus()
    return min(int(given), allowed) if given.isdigit() else allowed


def environment(threads: int) -> dict[str, str]:
    """Return the variables that kraken's programs run under, whatever the user's shell says.

    COLUMNS is wide because kraken logs through rich, which breaks lines at the terminal's width even where there is none.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "SLURM_", "HYDRA_"))}
    return kept | {
        "COLUMNS": "400",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": str(threads),
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
    }


class Command:
    """One program under way, in a process group of its own, heard line by line.

    It dies with us: a training that nobody hears any more would write beside the one that takes its place.

    Args:
        argv: the program and its arguments.
        threads: of the program's numeric libraries.
        hear: gets each line of its output, without the line end.
        folder: where it runs.
    """

    def __init__(self, argv: Sequence[str], *, threads: int, hear: Callable[[str], None], folder: Path) -> None:
        self._hear = hear
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(threads),
            cwd=folder,
            start_new_session=True,  # Ctrl-C reaches us alone, and we decide what it means
            preexec_fn=bound_to_us(signal.SIGKILL),  # SIGUSR2 would end kraken while we make it write its checkpoint
        )
        self.pid = self._process.pid
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe above
        with self._process.stdout as said:
            for raw in said:
                self._hear(raw.decode("utf-8", "replace").rstrip())

    def poll(self) -> int | None:
        """Return the exit code once it has ended and been heard to its end, else None."""
        code = self._process.poll()
        if code is not None:
            self._listener.join()
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
        self._signal(signal.SIGTERM)
        if self.wait(grace) is None:
            self.kill()

    def kill(self) -> None:
        """End it at once, with its children."""
        self._signal(signal.SIGKILL)
        self.wait(30)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
