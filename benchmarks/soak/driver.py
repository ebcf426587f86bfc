"""Takes a soak from its first command to its quiet end: submits as a user would, disturbs, observes, and writes down what happened."""

from __future__ import annotations

import heapq
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from benchmarks.soak.disturbances import NotNowError, Site
from benchmarks.soak.mlflow_server import MlflowServer
from benchmarks.soak.observer import Observer
from benchmarks.soak.schedule import EPOCH_S, Disturbance, Group, Schedule
from fakes.scenario import weights
from helpers.fake_kraken import programs
from helpers.page_files import make_pages
from helpers.real_pages import demo_pages
from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in

SAMPLE_S, WEIGH_S, RELEASE_S, STATUS_S, SYNC_S = 10.0, 60.0, 15.0, 60.0, 600.0
AGAIN_S = 20.0
"""After how long a command that was refused is given again, and an end that did not succeed is tried again."""
LATEST_S = 120.0
"""How long after its moment a disturbance may still find its victim."""
STRANDED_LOOKS = 3
"""How many looks of `status` a run must be over and not done before somebody resumes it."""
REAL, SCRIPTED = "demo-pages", "scripted-pages"
PLAY = {"epoch_seconds": EPOCH_S, "compile_seconds": 3, "convert_seconds": 1, "ocr_seconds": 2, "checkpoint_kb": 64}
TINY = "[1,24,0,1 Cr3,3,8 Mp2,2 S1(1x0)1,3 Lbx16]"


@dataclass
class Command:
    """A command line of ours that is under way."""

    what: str
    words: list[str]
    process: subprocess.Popen[bytes]
    output: Path
    again: bool = True  # give it again where it is refused
    tries: int = 1


@dataclass
class Driver:
    """One soak.

    Attributes:
        scratch: all that it makes is below this folder.
        schedule: what is to be done.
        events: where each event is written, a line of JSON.
        longest_s: when it gives up, seconds.
    """

    scratch: Path
    schedule: Schedule
    events: IO[str]
    longest_s: float
    commands: list[Command] = field(default_factory=list)
    asked_to_end: set[str] = field(default_factory=set)  # runs that we cancelled, until they are resumed
    over: dict[str, int] = field(default_factory=dict)  # of a run that is over and not done: in how many looks
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.number = itertools.count()
        self.workspace = self.scratch / "workspace"
        self.temporary = self.scratch / "tmp"
        for folder in (self.workspace, self.temporary, self.scratch / "said", self.scratch / "home"):
            folder.mkdir()
        self.environment = self._environment()
        self.server = MlflowServer(self.scratch / "mlflow")
        self.site = Site(self.scratch, self.environment, self.server)
        self.observer = Observer(self.scratch, [f"/{REAL}"])
        self.words = self._words()

    @property
    def now(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def run(self) -> bool:
        """Do it all; return whether all runs were done in time."""
        self.server.start()
        while not self.server.answers:
            time.sleep(0.5)
        self.began = time.monotonic()
        for group in self.schedule.groups:
            self.plan(group.at, lambda group=group: self.submit(group))
        for one in self.schedule.disturbances:
            self.plan(one.at, lambda one=one: self.disturb(one))
        for every, action in (
            (SAMPLE_S, self.sample),
            (WEIGH_S, self.weigh),
            (RELEASE_S, self.release),
            (STATUS_S, self.status),
            (SYNC_S, self.sync),
        ):
            self.repeat(every, action)
        while self.now < self.longest_s and not self.is_done():
            at, _, action = heapq.heappop(self.queue)
            while (left := at - self.now) > 0:
                self.look_after_commands()
                time.sleep(min(left, 1.0))
            self.do(action)
        self.tell("end", all_done=self.is_done())
        return self.is_done()

    def finish(self) -> None:
        """Record what MLflow lacks, as a user does at the end, and end the server."""
        self.server.thaw()
        if self.server.process is None:
            self.server.start()
        for _ in range(3):
            until = time.monotonic() + 120
            while not self.server.answers and time.monotonic() < until:
                time.sleep(1)
            said = self.ask("sync")
            self.tell("sync at the end", exit=said.returncode, said=self._last(said.stdout + said.stderr))
            if said.returncode == 0:
                break
        self.weigh()
        self.sample()
        self.server.stop()

    # ---- what is done at a moment ---------------------------------------------------------------------------------------

    def do(self, action: Callable[[], None]) -> None:
        """Do what is due. A fault of the soak itself must not end hours of it: it is written down, and the soak has failed."""
        try:
            action()
        except Exception:  # noqa: BLE001 - for the reason above
            self.count("faults of the soak itself")
            self.tell("fault of the soak itself", said=traceback.format_exc()[-1500:])

    def plan(self, at: float, action: Callable[[], None]) -> None:
        """Let something happen at a moment, seconds from the start."""
        heapq.heappush(self.queue, (at, next(self.number), action))

    def repeat(self, every: float, action: Callable[[], None]) -> None:
        """Let something happen again and again."""

        def again() -> None:
            self.plan(self.now + every, again)
            action()

        self.plan(self.now + every, again)

    def submit(self, group: Group) -> None:
        """Give the runs of a group to Slurm."""
        real = group.kind == "real"
        words = [*self.words[REAL if real else SCRIPTED], f"training.epochs={group.epochs}"]
        seeds = ",".join(map(str, group.seeds))
        words += [f"seed={seeds}"] if real else [f"seed={seeds}", f"split.seed={group.seeds[0]}"]
        words += [f"slurm.{group.place}"] if group.place else []
        more = {
            "array": [],
            "packed": ["slurm.runs_per_gpu=3"],
            "foreground": ["slurm.array_parallelism=1", "launch.wait=true"],
        }.get(group.kind, [])
        flags = ["-m"] * (len(group.seeds) > 1)
        self.give(f"{group.kind} {group.seeds[0]}", ["train", *flags, *words, *more])

    def disturb(self, one: Disturbance) -> None:
        """Let something go wrong, and plan its end."""
        try:
            whom, undo = self.cancel(one) if one.kind == "cancel" else self.site.disturb(one)
        except (NotNowError, RuntimeError) as why:
            self.tell("not now", kind=one.kind, why=str(why)[-300:])
            if self.now < one.at + LATEST_S:
                self.plan(self.now + AGAIN_S, lambda: self.disturb(one))
            return
        self.count(one.kind)
        self.tell("disturbed", kind=one.kind, whom=whom, seconds=one.seconds)
        if undo is not None:
            self.plan(self.now + one.seconds, lambda: self.put_right(one.kind, *undo))

    def put_right(self, kind: str, whom: str, action: Callable[[], object]) -> None:
        """End a disturbance; where that is refused now, later."""
        try:
            action()
        except RuntimeError as why:
            self.tell("not put right", kind=kind, whom=whom, why=str(why)[-300:])
            self.plan(self.now + AGAIN_S, lambda: self.put_right(kind, whom, action))
            return
        self.tell("put right", kind=kind, whom=whom)

    def cancel(self, one: Disturbance) -> tuple[str, tuple[str, Callable[[], object]]]:
        """Cancel a run, as its user; it is resumed later."""
        working = [run for run in self.runs() if run.written_state().state is RunState.RUNNING]
        if not working:
            raise NotNowError("no run is running")
        run = working[one.victim % len(working)]
        self.asked_to_end.add(run.name)
        said = self.ask("cancel", run.name)
        if said.returncode:
            self.asked_to_end.discard(run.name)
            raise NotNowError(f"cancel is refused: {self._last(said.stderr)}")

        def resume() -> None:
            self.asked_to_end.discard(run.name)
            self.give(f"resume {run.name}", ["resume", run.name])

        return run.name, (run.name, resume)

    def sample(self) -> None:
        """Look at processes."""
        waiting = [one.process.pid for one in self.commands if "launch.wait=true" in one.words]
        followers = {
            "`htr-exp train launch.wait=true`": [psutil.Process(pid) for pid in waiting if psutil.pid_exists(pid)]
        }
        self.observer.look(self.now, {"MLflow's server": self.server.processes, **followers})

    def weigh(self) -> None:
        """Look at folders."""
        folders = {
            name: self.workspace / "cache" / name for name in ("pages", "compiled", "predictions", "jobs", "code")
        }
        self.observer.weigh(self.now, {**folders, "runs": self.workspace / "runs", "temporary files": self.temporary})

    def release(self) -> None:
        """Release what Slurm holds."""
        for job in self.site.release_held():
            self.count("jobs released")
            self.tell("released", job=job)

    def status(self) -> None:
        """Ask how the runs stand; resume those that ended without anybody asking for it."""
        said = self.ask("status", "--json")
        if said.returncode:
            self.count("status failed")
            self.tell("status failed", exit=said.returncode, said=self._last(said.stderr))
            return
        rows = json.loads(said.stdout.splitlines()[-1])
        self.tell(
            "status",
            **{state: sum(row["state"] == state for row in rows) for state in sorted({row["state"] for row in rows})},
        )
        for row in rows:
            ended = row["state"] in ("failed", "cancelled", "stopped", "timed_out", "interrupted") and not row["job"]
            self.over[row["run"]] = (
                self.over.get(row["run"], 0) + 1 if ended and row["run"] not in self.asked_to_end else 0
            )
            if self.over[row["run"]] == 1:
                self.tell("over", run=row["run"], state=row["state"], reason=str(row["reason"])[:300])
            if self.over[row["run"]] >= STRANDED_LOOKS and not self._is_given(row["run"]):
                self.over[row["run"]] = 0
                self.count("runs resumed by hand")
                self.give(f"resume {row['run']}", ["resume", row["run"]])

    def sync(self) -> None:
        """Record what MLflow lacks, as a user does now and then."""
        self.give("sync", ["sync"], again=False)

    # ---- command lines ----------------------------------------------------------------------------------------------------

    def give(self, what: str, words: list[str], *, again: bool = True, tries: int = 1) -> None:
        """Start a command line of ours."""
        output = self.scratch / "said" / f"{next(self.number):05}.txt"
        with open(output, "wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "htr_exp", *words], env=self.environment, cwd=self.workspace,
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        self.commands.append(Command(what, words, process, output, again, tries))

    def look_after_commands(self) -> None:
        """Write down which commands have ended, and give those again that were refused."""
        for one in [one for one in self.commands if one.process.poll() is not None]:
            self.commands.remove(one)
            code, said = one.process.returncode, one.output.read_text(errors="replace")
            self.tell("command", what=one.what, exit=code, **({"said": self._last(said)} if code else {}))
            if "Traceback" in said:
                self.count("tracebacks")
                self.tell("traceback", what=one.what, said=said[-1500:])
            if code and one.again:
                self.count("commands given again")
                self.plan(self.now + AGAIN_S, lambda one=one: self.give(one.what, one.words, tries=one.tries + 1))

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command line of ours to its end."""
        return subprocess.run(
            [sys.executable, "-m", "htr_exp", *words], env=self.environment, cwd=self.workspace,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip

    def runs(self) -> list[RunDir]:
        """All runs that there are by now."""
        return runs_in(self.workspace / "runs")

    def is_done(self) -> bool:
        """Whether nothing is left to do, and all runs are done."""
        if any(at < self.longest_s and not self._is_repeated(action) for at, _, action in self.queue):
            return False
        wanted = sum(len(group.seeds) for group in self.schedule.groups)
        runs = self.runs()
        settled = len(runs) >= wanted and all(run.written_state().state is RunState.DONE for run in runs)
        return settled and not self.commands and not self.site.jobs()

    def tell(self, event: str, **more: Any) -> None:
        """Write an event down."""
        text = json.dumps({"at": round(self.now, 1), "event": event, **more}, ensure_ascii=False)
        self.events.write(text.replace(str(self.scratch), "SOAK") + "\n")
        self.events.flush()

    def count(self, what: str) -> None:
        """Count one more of something."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def _is_given(self, run: str) -> bool:
        return any(run in one.words for one in self.commands)

    def _is_repeated(self, action: Callable[[], None]) -> bool:
        return action.__name__ == "again"

    def _last(self, said: str) -> str:
        return " | ".join(line.strip() for line in said.strip().splitlines()[-4:])[:500]

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM", "SBATCH", "MLFLOW", "HTR_EXP"))
        }
        checkout = Path(__file__).parents[2]
        return kept | {
            "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "TMPDIR": str(self.temporary),
            "HOME": str(self.scratch / "home"), "FAKE_KETOS": str(self.scratch / "scenario" / "scenario.json"),
            "HTR_EXP_CLUSTER_DIR": os.environ.get("HTR_EXP_CLUSTER_DIR", f"{os.environ.get('TMPDIR', '/tmp')}/htr_exp-cluster"),
        }  # fmt: skip

    def _words(self) -> dict[str, list[str]]:
        scenario = self.scratch / "scenario"
        scenario.mkdir()
        (scenario / "scenario.json").write_text(json.dumps(PLAY))
        ketos = programs(self.scratch / "kraken" / "bin")
        scripted, real = make_pages(self.scratch / SCRIPTED), demo_pages(self.scratch / REAL)
        base = self.scratch / "base.mlmodel"
        base.write_bytes(weights(accuracy=0.5))
        both = [
            "tracking=server", f"tracking.uri={self.server.uri}", "split.validation=0.17", "split.test=0.17", "training.device=cpu",
            "training.quit=fixed", "slurm=publicgpu", "slurm.gres=null", "slurm.cpus_per_task=2",
            "slurm.mail_type=null",
        ]  # fmt: skip
        return {
            SCRIPTED: [
                f"dataset.path={scripted}",
                f"model.path={base}",
                f"runtime.ketos={ketos}",
                "slurm.mem_gb=1",
                *both,
            ],
            REAL: [f"dataset.path={real}", "model=none", f"architecture.spec={TINY}", "slurm.mem_gb=6", *both],
        }


def emptied(folder: Path) -> Path:
    """A folder of this name with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
