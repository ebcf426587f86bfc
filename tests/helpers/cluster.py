"""The cluster of `tests/cluster/start`, as tests see it: what they submit to, switch, break and ask."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parents[1] / "cluster"
TIMEOUT_S = 900  # the longest waits take two minutes; a machine that others share takes five times as long
ACCOUNT_FIELDS = ("JobID", "JobName", "Partition", "State", "ExitCode", "NodeList", "Submit", "Start", "End")


@dataclass
class Cluster:
    """The running cluster. Only jobs submitted from below `folder` are ever cancelled or waited for."""

    folder: Path  # where this session's tests work
    variables: dict[str, str]  # of the session: the fixture `workspace` takes Slurm's and ours away from the tests
    mails_before: int = 0
    dead: set[str] = field(default_factory=set)
    switched: bool = False

    @property
    def home(self) -> Path:
        """Where its logs are."""
        default = Path(self.variables.get("TMPDIR") or "/tmp") / "htr_exp-cluster"
        return Path(self.variables.get("HTR_EXP_CLUSTER_DIR") or default)

    def run(self, *command: str | Path, **variables: str) -> str:
        """Run a command as the session's user would, and return what it printed."""
        done = subprocess.run(
            [str(word) for word in command],
            env=self.variables | variables,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def signals(self, usersig: bool, grace: int) -> None:
        """Switch what preemption does until the test ends: is the user's signal sent, how many seconds are left."""
        self.switched = True
        self.run(SCRIPTS / "start", HTR_EXP_CLUSTER_USERSIG=str(int(usersig)), HTR_EXP_CLUSTER_GRACE=str(grace))

    def submit(self, script: str, *options: str) -> str:
        """Submit the lines of a shell script and return the job's number; its output is job-NUMBER.out."""
        return self.run(
            "sbatch", "--parsable", f"--chdir={self.folder}", "--output=job-%j.out", *options, "--wrap", script
        ).strip()

    def output(self, job: str) -> str:
        """What a job of `submit` has printed so far."""
        path = self.folder / f"job-{job}.out"
        return path.read_text() if path.exists() else ""

    def preempt(self, node: str, seconds: int = 5) -> str:
        """Queue a job that has precedence on a node's GPU, for some seconds; return its number."""
        return self.submit(f"sleep {seconds}", "--partition=grantgpu", f"--nodelist={node}", "--gres=gpu:1", "--time=5")

    def wait(self, condition: Callable[[], Any], what: str, timeout: float = TIMEOUT_S) -> Any:
        """Wait for a condition and return its value."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.1)
        raise AssertionError(
            f"waited {timeout} s for {what}; the queue:\n{self.run('squeue')}\nlogs: {self.home / 'log'}"
        )

    def state(self, job: str) -> str:
        """The first word of a job's state, from the queue or else from the accounts; empty if nobody knows it."""
        queue = subprocess.run(
            ["squeue", "-h", "-j", job, "-o", "%T"], env=self.variables, capture_output=True, text=True
        ).stdout.split()
        if queue:
            return queue[0]
        accounts = self.run("sacct", "-X", "-n", "-P", "-j", job, "-o", "State").split()
        return accounts[0] if accounts else ""

    def wait_for(self, job: str, *states: str) -> str:
        """Wait until a job is in one of the states."""
        return str(self.wait(lambda: (now := self.state(job)) in states and now, f"job {job} to be {states}"))

    def sacct(self, job: str) -> list[dict[str, str]]:
        """All that the accounts know of a job, its earlier starts too, steps included."""
        lines = self.run("sacct", "-D", "-P", "-j", job, "-o", ",".join(ACCOUNT_FIELDS)).splitlines()
        return [dict(zip(ACCOUNT_FIELDS, line.split("|"))) for line in lines[1:]]

    def mails(self) -> list[str]:
        """The mails since the test began: `time | address | subject`."""
        log = self.home / "log" / "mail.log"
        return log.read_text().splitlines()[self.mails_before :] if log.exists() else []

    def kill_node(self, name: str) -> None:
        """Let a machine die with all that runs on it; Slurm notices within half a minute."""
        self.dead.add(name)
        self.run(SCRIPTS / "node", name, "kill")

    def start_node(self, name: str) -> None:
        """Start it again."""
        self.run(SCRIPTS / "node", name, "start")
        self.dead.discard(name)

    def scancel(self, job: str) -> None:
        """Cancel a job."""
        self.run("scancel", job)

    def jobs(self) -> list[str]:
        """The numbers of the tests' jobs in the queue."""
        rows = (line.split(maxsplit=1) for line in self.run("squeue", "-h", "-o", "%F %Z").splitlines())
        return [job for job, folder in rows if Path(folder).is_relative_to(self.folder)]

    def idle(self) -> None:
        """Undo what a test did: nodes up, settings back, no job left."""
        for name in sorted(self.dead):
            self.start_node(name)
        if self.jobs():
            self.run("scancel", "--quiet", *self.jobs())
        if self.switched:
            self.switched = False
            self.run(SCRIPTS / "start")
        self.wait(lambda: not self.jobs(), "the tests' jobs to be gone")
        self.mails_before += len(self.mails())
