"""What goes wrong in a soak: each kind does something to the cluster or to the server, and says how to put it right again."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks.soak.mlflow_server import MlflowServer
from benchmarks.soak.schedule import SETTINGS, Disturbance

SCRIPTS = Path(__file__).parents[2] / "tests" / "cluster"
NODES = ("gpu1", "gpu2", "gpu3")

Undo = tuple[str, Callable[[], object]]
"""What puts it right, in words and as a function."""


class NotNowError(Exception):
    """There is nothing that this disturbance could hit, or somebody else is at it."""


class Site:
    """The cluster and the server, as their administrator on a bad day has them in hand."""

    def __init__(self, folder: Path, environment: dict[str, str], server: MlflowServer) -> None:
        self.folder, self.environment, self.server = folder, environment, server
        self.away: set[str] = set()

    def disturb(self, one: Disturbance) -> tuple[str, Undo | None]:
        """Let a disturbance happen.

        Returns:
            Whom it hit, and what ends it.

        Raises:
            NotNowError: it has no victim now.
            RuntimeError: the cluster refuses it.
        """
        away = set(self.away)
        try:
            return self._disturb(one)
        except (NotNowError, RuntimeError):
            self.away = away
            raise

    def _disturb(self, one: Disturbance) -> tuple[str, Undo | None]:
        if one.kind in ("preemption", "requeue", "node dies", "node set down", "slurmd killed"):
            return self._at_a_job(one)
        if one.kind in ("slurmctld away", "slurmdbd away"):
            name = one.kind.partition(" ")[0]
            how = ("kill", "stop")[one.victim % 2]
            self._leaves(name)
            self._run(SCRIPTS / "daemon", name, how)
            return f"{name}, {how}", (name, lambda: self._returns(name, SCRIPTS / "daemon", name, "start"))
        if one.kind == "settings":
            return self._settings(one)
        self._leaves("MLflow")
        if one.kind == "MLflow killed":
            self.server.kill()
            return "server", ("MLflow", lambda: (self.server.start(), self.away.discard("MLflow")))
        self.server.freeze()
        return "server", ("MLflow", lambda: (self.server.thaw(), self.away.discard("MLflow")))

    def jobs(self) -> list[tuple[str, str, str, str]]:
        """All jobs of the soak: number, state, node, reason; none where Slurm does not answer."""
        rows = [line.split("|") for line in self._said("squeue", "-h", "-r", "-o", "%i|%T|%N|%r|%P").splitlines()]
        return sorted((job, state, node, why) for job, state, node, why, part in rows if part != "grantgpu")

    def release_held(self) -> list[str]:
        """Release the jobs that Slurm holds after failures of its own to start them, as an administrator does; return them."""
        held = [job for job, state, _, why in self.jobs() if state == "PENDING" and "held" in why.lower()]
        return [job for job in held if self._ran("scontrol", "release", job)]

    def _at_a_job(self, one: Disturbance) -> tuple[str, Undo | None]:
        working = [row for row in self.jobs() if row[1] == "RUNNING" and row[2] in NODES and row[2] not in self.away]
        if not working:
            raise NotNowError("no job is running")
        job, _, node, _ = random.Random(one.victim).choice(working)
        if one.kind == "requeue":
            if not self._ran("scontrol", "requeue", job):
                raise NotNowError(f"job {job} is gone, or Slurm is away")
            return job, None
        if one.kind == "preemption":
            wanted = ["--partition=grantgpu", f"--nodelist={node}", "--gres=gpu:1", "--cpus-per-task=8", "--time=5"]
            seconds = round(one.seconds)
            if not self._ran("sbatch", "--chdir=/", "--output=/dev/null", *wanted, f"--wrap=sleep {seconds}"):
                raise NotNowError("Slurm is away")
            return node, None
        self._leaves(node)
        if one.kind == "node dies":
            self._run(SCRIPTS / "node", node, "kill")
            return node, (node, lambda: self._returns(node, SCRIPTS / "node", node, "start"))
        if one.kind == "node set down":
            if not self._ran("scontrol", "update", f"nodename={node}", "state=down", "reason=soak"):
                raise NotNowError("Slurm is away")
            return node, (node, lambda: self._resume(node))
        self._run(SCRIPTS / "daemon", f"slurmd.{node}", "kill")
        return node, (node, lambda: self._returns(node, SCRIPTS / "daemon", f"slurmd.{node}", "start"))

    def _settings(self, one: Disturbance) -> tuple[str, Undo | None]:
        if self.away - {"MLflow"}:
            raise NotNowError("not all is there that is to be switched")
        user_signal, grace = SETTINGS[one.victim % len(SETTINGS)]
        self.environment |= {
            "HTR_EXP_CLUSTER_USERSIG": str(int(user_signal)),
            "HTR_EXP_CLUSTER_GRACE": str(grace),
        }
        self._run(SCRIPTS / "start")
        return f"user signal {'on' if user_signal else 'off'}, grace {grace} s", None

    def _leaves(self, name: str) -> None:
        if name in self.away:
            raise NotNowError(f"{name} is away already")
        self.away.add(name)

    def _returns(self, name: str, *command: str | Path) -> None:
        self._run(*command)
        self.away.discard(name)

    def _resume(self, node: str) -> None:
        refused = not self._ran("scontrol", "update", f"nodename={node}", "state=resume")
        state = self._said("sinfo", "-h", "-N", "-n", node, "-o", "%T")
        if refused and (not state or "down" in state):  # one whose slurmd has registered anew is back already
            raise RuntimeError(f"{node} cannot be resumed: {state}")
        self.away.discard(node)

    def _run(self, *command: str | Path) -> str:
        done = self._done(*command)
        if done.returncode:
            raise RuntimeError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def _said(self, *command: str) -> str:
        done = self._done(*command)
        return "" if done.returncode else done.stdout

    def _ran(self, *command: str) -> bool:
        return self._done(*command).returncode == 0

    def _done(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        try:
            return subprocess.run(
                words, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            return subprocess.CompletedProcess(words, 124, "", str(error))
