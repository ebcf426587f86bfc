"""A random walk over the table of faults: the seed decides what is tried, and each run of the walk can be repeated by its number."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from helpers.disks import mounted
from helpers.fake_kraken import Scenario
from helpers.faults.driver import BACKENDS, Driver, Start
from helpers.faults.kinds import CLOCKS, DISPLAYS, DONE, GROUPS, Fault, every_fault
from helpers.faults.scene import Scene
from helpers.faulty_server import MODES, faulty_server
from helpers.forked_runs import Server
from helpers.processes import hit
from htr_exp.runs.run_dir import RunDir

DISK = "size=24m"


@dataclass(frozen=True)
class Setting:
    """What is trained: the fixture that plans it, its words, and the stages in which kraken is at work."""

    words: tuple[str, ...]
    without: tuple[str, ...] = ()  # stages that are over before anything can happen
    planner: str = "recognition"
    weight: int = 1

    @property
    def exact(self) -> bool:
        """Whether the model must be the same, however often the run was resumed."""
        return "training.exact=true" in self.words


SETTINGS = {
    "patience": Setting(("training.quit=early", "training.epochs=4"), weight=2),
    "legs": Setting(("training.quit=fixed", "training.epochs=4", "training.leg_epochs=2")),
    "exact": Setting(("training.quit=fixed", "training.epochs=4", "training.exact=true", "training.leg_epochs=2"), weight=2),
    "kraken 4.3": Setting(("training.quit=fixed", "training.epochs=4"), ("convert",), "kraken 4.3"),
    "segmentation": Setting(("training.quit=early", "training.epochs=4"), ("compile",), "segmentation"),
}  # fmt: skip


@dataclass(frozen=True)
class Trip:
    """One run of the walk: what it is, and what it endures."""

    setting: str
    server: str  # of `faulty_server.MODES`; empty: none
    faults: tuple[tuple[Fault, Start], ...]
    last: Start


def trip_of(seed: int, number: int) -> Trip:
    """What the run of this number endures; nothing else decides it."""
    chance = random.Random(f"{seed} {number}")
    name = chance.choices(list(SETTINGS), [setting.weight for setting in SETTINGS.values()])[0]
    setting = SETTINGS[name]
    drawn: list[tuple[Fault, Start]] = []
    for _ in range(chance.randint(6, 12)):
        # the table has many causes of signals: each group is as likely as another
        group = chance.choice(GROUPS)
        table = [
            fault for fault in every_fault(group) if fault.stage.name not in setting.without and not fault.kind.needs
        ]
        if table:
            fault = chance.choices(table, [fault.kind.weight for fault in table])[0]
            drawn.append((fault, _start(chance).of(fault)))
    drawn.sort(key=lambda one: one[0].stage.order)
    # what a run comes to its end by can only be the last
    drawn = [one for number, one in enumerate(drawn, 1) if number == len(drawn) or one[0].kind.ends != (DONE,)]
    steps = random.Random(f"{seed} {number} clock")  # drawn apart: what else is drawn stays what it was before
    jumps = [
        (fault, replace(start, clock=steps.choice(CLOCKS) if steps.random() < 0.25 else 0.0)) for fault, start in drawn
    ]
    return Trip(name, chance.choice(MODES) if chance.random() < 0.2 else "", tuple(jumps), _start(chance))


def _start(chance: random.Random) -> Start:
    return Start(chance.choice(list(BACKENDS)), chance.choice(DISPLAYS) if chance.random() < 0.3 else "")


@dataclass
class Walk:
    """Walks.

    Attributes:
        seed: decides what is tried.
        planners: the name of a planner -> what writes its run, given words.
        scenario: of the fake krakens.
        runs: starts runs.
        recorder: records them in MLflow.
        folder: for workspaces.
        store: an empty MLflow store, of which each workspace gets a copy.
        tell: called with one record for each fault, and one for each run.
    """

    seed: int
    planners: Mapping[str, Callable[..., RunDir]]
    scenario: Scenario
    runs: Server
    recorder: Server
    folder: Path
    store: Path
    tell: Callable[[dict[str, Any]], None]
    endured: int = 0
    lost: list[str] = field(default_factory=list)
    _undisturbed: dict[str, Any] = field(default_factory=dict)

    def go(self, number: int) -> None:
        """Take the run of this number through what it has to endure; what was lost is told, and kept in `lost`."""
        trip, began = trip_of(self.seed, number), time.monotonic()
        about: dict[str, Any] = {"seed": self.seed, "run": number, "setting": trip.setting, "server": trip.server}
        with self._workspace(f"walk-{number}") as workspace, contextlib.ExitStack() as held:
            words = [f"site.workspace={workspace}"]
            if trip.server:
                uri = held.enter_context(faulty_server(trip.server))
                words += ["tracking=server", f"tracking.uri={uri}"]
            driver = self._driver(trip.setting, workspace, *words)
            driver.undisturbed = self._results_of(trip.setting)
            at: object = "the plan"
            try:
                for fault, start in trip.faults:
                    at = f"{fault} ({start})"
                    if driver.scene.run.state().state.is_settled:
                        break
                    before = time.monotonic()
                    endured = driver.endure(fault, start)
                    self.endured += not endured.missed
                    seconds = round(time.monotonic() - before, 1)
                    self.tell({**about, "group": fault.kind.group, "fault": fault.kind.name, "stage": fault.stage.name,
                               "start": str(start), "ended": endured.state, "code": endured.code, "missed": endured.missed, "seconds": seconds})  # fmt: skip
                at = f"the end ({trip.last})"
                driver.finish(trip.last)
                at = "the record in MLflow"
                driver.record(self.recorder, f"sqlite:///{workspace}/mlflow.db")
            except AssertionError as error:
                said = str(error).replace(str(self.folder), "")
                self.lost.append(f"run {number} ({trip.setting}), {at}: {said}")
                self.tell({**about, "lost": str(at)})
                print(self.lost[-1], flush=True)
                shutil.copytree(workspace, self.folder / f"lost-{number}", dirs_exist_ok=True, symlinks=True)
                for pid in driver.scene.krakens():
                    hit(pid, signal.SIGKILL)
            else:
                self.tell({**about, "held": True, "seconds": round(time.monotonic() - began, 1)})

    def _driver(self, setting: str, workspace: Path, *words: str) -> Driver:
        wanted = SETTINGS[setting]
        run = self.planners[wanted.planner](*wanted.words, *words)
        aside = self.folder / "aside"
        aside.mkdir(exist_ok=True)
        return Driver(Scene(run, self.scenario, workspace, self.runs, aside), exact=wanted.exact)

    def _results_of(self, setting: str) -> Any:
        """The results of a run of a setting that nothing happened to."""
        if setting not in self._undisturbed:
            with self._workspace(f"undisturbed {setting}") as workspace:
                driver = self._driver(setting, workspace, f"site.workspace={workspace}")
                driver.finish()
                self._undisturbed[setting] = driver.scene.run.result()
        return self._undisturbed[setting]

    @contextlib.contextmanager
    def _workspace(self, name: str) -> Iterator[Path]:
        with mounted(self.folder / name, DISK) as folder:
            shutil.copy(self.store, folder / "mlflow.db")
            yield folder


def lines(file: Path | None) -> Callable[[dict[str, Any]], None]:
    """What prints a record as a line, and adds it to a file."""

    def tell(record: dict[str, Any]) -> None:
        line = json.dumps(record)
        print(line, flush=True)
        if file is not None:
            with open(file, "a", encoding="utf-8") as log:
                log.write(line + "\n")

    return tell
