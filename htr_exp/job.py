"""The job: takes a run folder through its stages, on whatever machine, from wherever it was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from htr_exp import training
from htr_exp.errors import HtrExpError, TrainingError
from htr_exp.inputs import Inputs
from htr_exp.recognition import Hear, Recognition
from htr_exp.rundir import RunDir, State, plainly
from htr_exp.runtime import Command
from htr_exp.stop import Interrupted, Stop


def run(run: RunDir, *, stop: Stop, hear: Hear) -> State:
    """Do all that is left to do in a run.

    Args:
        run: a sealed run folder.
        stop: asked between and within stages.
        hear: shown the progress.

    Returns:
        How the run stands afterwards; a failure is told in its reason, not raised.

    Raises:
        Held: another process works in the run.
        HtrExpError: the run folder cannot be written.
    """
    try:
        with run.held():
            return _Job(run, stop, hear).do()
    except OSError as error:
        raise plainly(error, run.path) from None


class _Job:
    def __init__(self, run: RunDir, stop: Stop, hear: Hear) -> None:
        self._run, self._stop, self._hear = run, stop, hear
        self._ended_by: tuple[str, ...] = ()
        self._inputs = Inputs(run)

    def do(self) -> State:
        run = self._run
        if run.state().state == "done":
            return run.state()
        started = time.monotonic()
        task = Recognition(self._inputs, self._call, self._stop, self._hear)
        try:
            self._stage("verify", self._inputs.verify)
            outcome = None
            if self._inputs.trains:
                self._stage("compile", task.compile)
                outcome = self._stage("train", task.train)
                if outcome.ended_by == "terminated":
                    raise Interrupted
                if outcome.epochs == 0:
                    return self._ended(
                        "interrupted", "stopped before the first epoch was validated: there is nothing to score yet"
                    )
                self._stage("convert", lambda: task.convert(outcome.best_epoch))
            self._stage("predict", task.predict)
            self._stage("score", lambda: task.score(outcome))
        except (Interrupted, KeyboardInterrupt):
            return self._ended("interrupted", "stopped by a signal; the same command goes on from here")
        except HtrExpError as error:
            return self._ended("failed", "; ".join([error.headline, *error.problems]))
        except OSError as error:
            wrong = plainly(error, run.path)
            try:
                return self._ended("failed", "; ".join([wrong.headline, *wrong.problems]))
            except OSError:
                raise wrong from None
        spent = time.monotonic() - started
        self._hear.note(f"{spent / 60:.1f} minutes")
        if outcome is not None and outcome.ended_by == "user":
            return self._ended(
                "stopped", "stopped by the user; the best model so far is scored, the same command trains on"
            )
        training.clear(run, keep=False)
        return self._ended("done", None)

    def _ended(self, state: str, reason: str | None) -> State:
        stage = self._run.state().stage
        self._run.write_state(state, reason=reason, stage=None if state == "done" else stage)
        return self._run.state()

    def _stage(self, name: str, work: Callable[[], Any]) -> Any:
        # Ctrl-C before there is a model ends the job; afterwards it means: score what there is
        self._ended_by = ("terminated", "user") if name in ("verify", "compile") else ("terminated",)
        if self._stop() in self._ended_by:
            raise Interrupted
        self._run.write_state("running", stage=name)
        self._hear.stage(name)
        return work()

    def _call(self, argv: Sequence[str], doing: str, watch: Callable[[], None] = lambda: None) -> None:
        """Run one of kraken's programs to its end; its exit code says little, so callers look at what it made."""
        last: list[str] = []
        with open(self._run.log, "a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(argv)}\n")

            def hear(line: str) -> None:
                log.write(line + "\n")
                last[:] = [*last[-20:], line.strip()] if line.strip() else last

            command = Command(argv, threads=self._inputs.experiment.training.threads, hear=hear, folder=self._run.path)
            try:
                while (code := command.wait(0.2)) is None:
                    watch()
                    if self._stop() in self._ended_by:
                        raise Interrupted
            except BaseException:
                command.kill()
                raise
        if code:
            raise TrainingError(
                f"kraken failed while {doing} (exit code {code})", [f"kraken says: {line}" for line in last[-6:]]
            )
