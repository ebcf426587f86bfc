"""Takes a run through faults, and looks after each whether the run stands as it must."""

from __future__ import annotations

import re
import signal
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from helpers.faults.kinds import DONE, FAILED, Fault
from helpers.faults.krakens import CALM
from helpers.faults.scene import LONG_S, Missed, Scene
from helpers.forked_runs import HOLD, JOB, Server
from helpers.processes import hit, lives
from helpers.waiting import until
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.core.lock import owner_of
from htr_exp.core.run_state import RunState

SLURM = {"SLURM_JOB_ID": "12", "SLURM_CPUS_PER_TASK": "1", "SLURMD_NODENAME": "gpu1"}
BACKENDS = {"job": JOB, "here": "resume"}
"""How a run is started: as the process of a job of Slurm, or by the verb of the command line on this machine."""

PATIENCE_S = 120.0
"""How long a run may take to come to where it is wanted, or to its end, on a machine that is busy."""


@dataclass(frozen=True)
class Start:
    """How a run is started: by which backend, and what it prints to."""

    backend: str = "job"
    display: str = ""
    clock: float = 0.0  # by how many seconds the clock jumps once the run is where it is wanted

    def of(self, fault: Fault) -> Start:
        """The same by the backend of a fault that happens with one alone."""
        return replace(self, backend=fault.kind.backend or self.backend)

    def __str__(self) -> str:
        shown = {"": "", "full": ", prints to a full disk", "closed": ", its terminal was closed"}
        jump = f", the clock jumps by {self.clock:+g} s" if self.clock else ""
        return f"{self.backend}{shown[self.display]}{jump}"


@dataclass(frozen=True)
class Endured:
    """What became of a run after a fault, or that the fault had nothing to happen to (`missed`)."""

    state: str
    code: int | None
    missed: bool = False


@dataclass
class Driver:
    """Takes one run through faults.

    Attributes:
        scene: the run and all around it.
        undisturbed: the results of a run of the same configuration that nothing happened to; empty: they are not compared.
        exact: whether the weights must be the same, too.
        server: the tracking server of the run, for the record.
    """

    scene: Scene
    undisturbed: Mapping[str, Any] = field(default_factory=dict)
    exact: bool = False
    starts: int = 0
    _was_stopped: bool = False  # the last start by us, in the stage in which it was wanted

    def endure(self, fault: Fault, start: Start = Start()) -> Endured:
        """Let the run go on until it reaches the fault's stage, let it happen, and look how the run stands.

        Raises:
            AssertionError: it does not stand as it must.
        """
        scene, kind, stage = self.scene, fault.kind, fault.stage
        printed, self._was_stopped = len(scene.said()), False
        scene.calls_before = scene.calls(stage)
        scene.scenario.play(**(CALM | ({} if kind.by_itself else stage.slowly(kind.slow_s)) | kind.plays(stage)))
        hold = (stage.name, min(kind.slow_s, 1.5)) if stage.name in HOLD else None
        process = scene.process = self._start(start, hold)
        missed, code = False, None
        if not kind.by_itself:
            until(lambda: not lives(process.pid) or scene.reached(stage), f"{fault}", timeout=PATIENCE_S)
            missed = not lives(process.pid)
            scene.kraken = scene.scenario.pids()[-1] if stage.verbs else None
        if start.clock:
            scene.step_clock(start.clock)
        try:
            if not missed and not kind.between:
                kind.strike(scene)
        except Missed:
            missed = True
            hit(process.pid, signal.SIGTERM)
        if kind.between:
            hit(process.pid, signal.SIGKILL)
        self._ended(process.pid, fault)
        code = process.end()
        if kind.by_itself:  # some settings have no need of kraken in some stages
            missed = scene.calls(stage) == scene.calls_before
        if kind.between and not missed:
            code, missed = self._begin_with(fault, start)
        scene.mend()
        self._must_hold(fault, printed, missed)
        if (missed or kind.between or scene.damaged) and not self._goes_on:
            scene.restore()
        return Endured(str(scene.run.state().state), code, missed)

    def finish(self, start: Start = Start()) -> None:
        """Let the run come to its end, with nothing in its way.

        Raises:
            AssertionError: it does not, or the end is not that of an undisturbed run.
        """
        run = self.scene.run
        self.scene.scenario.play(**CALM)
        printed, code = len(self.scene.said()), self._run_to_end(start)
        if self.scene.damaged and run.state().state is not DONE:
            assert "Traceback" not in self.scene.said()[printed:]
            self.scene.restore()
            code = self._run_to_end(start)
        assert code == 0, self.scene.said()[-2000:]
        assert run.state().state is DONE, run.state()
        assert "Traceback" not in self.scene.said()
        self._each_epoch_once()
        self._nothing_left()
        self._as_undisturbed()

    def _run_to_end(self, start: Start) -> int:
        process = self._start(start, None)
        self._ended(process.pid, "the end")
        return int(process.end())

    @property
    def _goes_on(self) -> bool:
        """Whether the run could go on the last time that it was started."""
        return self.scene.run.state().state is DONE or self._was_stopped

    def record(self, recorder: Server, uri: str) -> None:
        """Record the run in MLflow, twice; MLflow has it once, as it ended.

        Raises:
            AssertionError: it has not.
        """
        run = self.scene.run
        for _ in range(2):
            child = recorder.start(run.path, work="record", workspace=self.scene.workspace, uri=uri)
            assert child.end() == 0, self.scene.said()[-2000:]
        with sqlite3.connect(uri.removeprefix("sqlite:///")) as store:
            uuid = run.facts()["run"]["uuid"]
            tagged = "SELECT runs.run_uuid, runs.status FROM runs JOIN tags USING (run_uuid) WHERE tags.value = ?"
            found = store.execute(tagged, (uuid,)).fetchall()
            assert [status for _, status in found] == ["FINISHED"], found
            counted = "SELECT count(*), count(DISTINCT step) FROM metrics WHERE run_uuid = ? AND key IN ('val_cer', 'val_mean_iu')"
            assert store.execute(counted, (found[0][0],)).fetchone() == (len(run.epochs()),) * 2
        store.close()

    def _start(self, start: Start, hold: tuple[str, float] | None) -> Any:
        given = SLURM | {"SLURM_RESTART_COUNT": str(self.starts)} if start.backend == "job" else {}
        self.starts += 1
        return self.scene.server.start(
            self.scene.run.path, work=BACKENDS[start.backend], workspace=self.scene.workspace, hold=hold,
            display=start.display, variables=given,
        )  # fmt: skip

    def _ended(self, pid: int, what: object) -> None:
        try:
            until(lambda: not lives(pid), f"its end after {what}", timeout=PATIENCE_S)
        except AssertionError:
            hit(pid, signal.SIGKILL)
            raise

    def _begin_with(self, fault: Fault, start: Start) -> tuple[int | None, bool]:
        """Let the fault happen to a run that nobody works in, and start it: it goes on, and is ended again, or says why not."""
        scene, stage = self.scene, fault.stage
        until(lambda: not scene.krakens(), "kraken to be gone")
        try:
            fault.kind.strike(scene)
        except Missed:
            self._was_stopped = True
            return None, True
        scene.scenario.play(**(CALM | stage.slowly(LONG_S)))
        scene.calls_before = scene.calls(stage)
        process = self._start(start, (stage.name, 1.5) if stage.name in HOLD else None)
        until(lambda: not lives(process.pid) or scene.reached(stage), f"a start after {fault}", timeout=PATIENCE_S)
        self._was_stopped = lives(process.pid)
        hit(process.pid, signal.SIGTERM)
        self._ended(process.pid, fault)
        return process.end(), False

    def _must_hold(self, fault: Fault, printed: int, missed: bool) -> None:
        scene, run = self.scene, self.scene.run
        until(lambda: not scene.krakens(), f"kraken to be gone after {fault}")
        state, said = run.state(), scene.said()[printed:]
        # scoring takes less than a moment, and is done; what happens between two starts the run may also go on from
        may_be_done = fault.stage.name == "score" or fault.kind.between or missed
        refused = (FAILED, RunState.INTERRUPTED, RunState.RUNNING) if fault.kind.between or missed else ()
        assert state.state in (*fault.kind.ends, *refused, *[DONE] * may_be_done), f"{fault}: {state}"
        assert "Traceback" not in said, f"{fault}: {said[-3000:]}"
        if state.state is FAILED and fault.kind.says and not scene.damaged:
            assert re.search(fault.kind.says, f"{state.reason}\n{said}"), f"{fault}: {state}"
        self._each_epoch_once()
        if not fault.kind.between:
            assert owner_of(run.lock) is None, f"{fault}: the lock is held"

    def _each_epoch_once(self) -> None:
        assert [record["epoch"] for record in self.scene.run.epochs()] == list(
            range(1, len(self.scene.run.epochs()) + 1)
        )

    def _as_undisturbed(self) -> None:
        result: Any = self.scene.run.result()
        wanted = self.undisturbed
        for key in (
            "test",
            "validation",
            "best_epoch",
            "epochs",
            "ended_by",
            "test_scored",
            *["weights", "models"] * self.exact,
        ):
            if key in wanted:
                assert result[key] == wanted[key], f"{key}: {result[key]} instead of {wanted[key]}"
        if self.exact:
            assert result["resumed_exactly"] in (True, None)
        lines = read_jsonl(self.scene.run.path.parent / "scorings.jsonl")
        assert len({line["weights"] for line in lines}) == len(lines), "one scoring is counted twice"

    def _nothing_left(self) -> None:
        run, workspace = self.scene.run, self.scene.workspace
        folders = (Path(read_json(run.places)["cache"]), run.path.parent)
        left = [
            path for folder in folders for path in folder.rglob(".*") if path.name not in (".gitignore", ".ballast")
        ]
        assert not [path for path in left if path.parent != run.path.parent], left
        for path in (run.lock, run.new_pairs, run.new_predictions, run.training, run.candidates, run.temporary):
            assert not path.exists(), path
        assert not list(run.live.glob("lock*")), list(run.live.glob("lock*"))
        assert not [left for left in self.scene.scenario.temporary() if left.exists()]
        assert [folder for folder in run.path.parent.iterdir() if folder.is_dir()] == [run.path]
        assert run.broken_seals(every_digest=True) == []
        assert not _processes_in(workspace)


def _processes_in(workspace: Path) -> list[str]:
    """Command lines that name a workspace."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(workspace) in word for word in words) and lives(process.pid):
            found.append(" ".join(words))
    return found
