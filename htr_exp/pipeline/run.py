"""The job: takes a run folder through its stages, on whatever machine, from wherever it was stopped."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from htr_exp.core import machine
from htr_exp.core.errors import HtrExpError, KilledError, Lacking, TrainingError, plainly
from htr_exp.core.files import append_jsonl, full, utc_now
from htr_exp.core.lock import STALE_S, LockLost
from htr_exp.core.own_command import own_command
from htr_exp.core.run_state import RunState
from htr_exp.core.secrets import hidden
from htr_exp.core.signals import Interrupted, Stop, asked_within
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task, task_of
from htr_exp.core.text import duration
from htr_exp.kraken.log import extracted_of, without_steering
from htr_exp.kraken.process import was_killed
from htr_exp.kraken.software import software_of
from htr_exp.pipeline import training
from htr_exp.pipeline.given_predictions import GivenPredictions
from htr_exp.pipeline.line_pairs import PairRecognition
from htr_exp.pipeline.recognition import Recognition
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.pipeline.stages import Observer, Stages
from htr_exp.report.contents import wanted_pictures
from htr_exp.report.page import write_report
from htr_exp.report.pictures import PageFiles, keep_pictures
from htr_exp.runs import openings, provenance, temporary_folder
from htr_exp.runs.run_dir import RunDir, StateRecord
from htr_exp.runs.run_place import RunGoneError
from htr_exp.slurm import failures


def _segmentation() -> type[Stages]:
    from htr_exp.pipeline.segmentation import Segmentation  # with shapely and numpy, which no recognition needs

    return Segmentation


STAGES: dict[Task, Callable[[], type[Stages]]] = {RECOGNITION: lambda: Recognition, SEGMENTATION: _segmentation}
"""What a run does at its stages, by its task."""

LOOK_S = 2.0  # between two looks whether the run was cancelled

ENDED_BY = {
    "user": "stopped by a signal; the same command goes on from here",
    "terminated": "stopped by a signal; the same command goes on from here",
    "preempted": "stopped for its time limit or for another job; goes on from here when it starts again",
    "cancelled": "cancelled",
}
"""What a word of `stop` means for a run that it ended."""

STOPS_HERE = "stopping; the same command goes on from here"
NOTHING_YET = "stopping: no epoch is validated yet, so there is nothing to score; the same command trains on"
SCORES = "stopping: scores the best model"
"""What is said to who presses Ctrl-C."""


def run_stages(
    run: RunDir, *, stop: Stop, observer: Observer, last_stage: str | None = None, patience_s: float = 0.0
) -> StateRecord:
    """Do all that is left to do in a run.

    Args:
        run: a sealed run folder.
        stop: asked between and within stages.
        observer: shown the progress.
        last_stage: end after this stage, `compile`, and leave the rest queued.
        patience_s: how long to wait for another process that works in the run, seconds.

    Returns:
        How the run stands afterwards; a failure is told in its reason, not raised.

    Raises:
        Locked: another process works in the run.
        LockLost: another process took it over, or the folder was moved (`RunGoneError`); nothing was written since that was seen.
        HtrExpError: the run folder cannot be written.
    """
    until = time.monotonic() + patience_s
    try:
        with run.locked(wait=lambda owner: time.monotonic() < until and stop() is None) as held:
            if (before := held.taken_from) is not None:
                observer.note(
                    f"takes over from process {before.pid} on {before.host}, which gave no sign of life for {STALE_S:.0f} s"
                )
            try:
                return _Job(run, stop, observer, last_stage).do()
            except Exception:  # in a folder that is gone, anything may fail first
                if run.is_gone:
                    run.clear_old_place()
                    raise RunGoneError(run) from None
                raise
    except OSError as error:
        raise (RunGoneError(run) if run.is_gone else plainly(error, run.path)) from None


def _stages_of(inputs: RunInputs) -> type[Stages]:
    if inputs.of_system:
        return GivenPredictions
    return PairRecognition if inputs.of_line_pairs else STAGES[task_of(inputs.facts["run"]["task"])]()


def _counted(before: int, last_stage: str | None, opens: bool) -> dict[str, Any]:
    """What a start is, in its record: one of the whole run, of its compiling alone, or for its opened test alone."""
    if last_stage:
        return {"last_stage": last_stage}
    return {"opens_test": True} if opens else {"start": before}


class _Job:
    def __init__(self, run: RunDir, stop: Stop, observer: Observer, last_stage: str | None) -> None:
        self._run, self._signalled, self._observer, self._last_stage = run, stop, observer, last_stage
        self._looked, self._cancelled = time.monotonic(), False
        self._goes_on_after: tuple[str, ...] = ()
        self._answer: Callable[[], str] = lambda: STOPS_HERE
        self._inputs = RunInputs(run)

    def do(self) -> StateRecord:
        with self._signalled.answered(lambda: self._answer()):
            return self._do()

    def _do(self) -> StateRecord:
        run = self._run
        if run.state().state in (RunState.DONE, RunState.CANCELLED):
            return run.state()
        opens = openings.is_all_that_is_left(run)
        self._begin(opens)
        started = time.monotonic()
        try:
            task = _stages_of(self._inputs)(self._inputs, self._call, self._stop, self._observer)
            self._stage("verify", self._inputs.verify)
            if not opens:
                run.unseal_results()
            self._say_which_kraken()
            outcome = training.scored_outcome(run) if opens else None
            if self._inputs.trains and not opens:
                learnt = self._learn(task)
                if isinstance(learnt, StateRecord):
                    return learnt
                outcome = learnt
            # an evaluation has nothing half done that is worth waiting for
            answer = (lambda: SCORES) if self._inputs.trains else None
            self._stage("predict", task.predict, answer)
            run.unseal_results()  # of an opened test only now: until then the other scores stand
            self._stage("score", lambda: task.score(outcome), answer)
            self._report()
        except (Interrupted, KeyboardInterrupt):
            return self._ended(RunState.INTERRUPTED, ENDED_BY[self._stop() or "user"])
        except LockLost:
            raise  # how the run stands is for whoever works in it now
        except HtrExpError as error:
            if machine.allocation() is not None:  # a signal to a whole job also ends what we only asked for a version
                asked_within(self._stop)
            if self._is_to_end():  # what fails then says nothing of the run: the next start finds out
                return self._ended(RunState.INTERRUPTED, ENDED_BY[self._stop() or "user"])
            return self._ended(RunState.FAILED, self._why(error))
        except (OSError, MemoryError) as error:
            run.confirm()
            wrong = plainly(error, run.path)
            try:
                return self._ended(RunState.FAILED, wrong.one_line)
            except OSError:
                raise wrong from None
        spent = time.monotonic() - started
        self._observer.note(f"took {duration(spent)}")
        if outcome is not None and outcome.ended_by == "user":
            return self._ended(
                RunState.STOPPED, "stopped by the user; the best model so far is scored, the same command trains on"
            )
        training.clear(run, keep=False)
        return self._ended(RunState.DONE, None)

    def _learn(self, task: Stages) -> training.Outcome | StateRecord:
        """Train to the end, and keep the best model; or how the run stands where there is nothing to score."""
        if task.prepares:
            self._stage("compile", task.prepare)
        if self._last_stage == "compile":
            return self._ended(RunState.QUEUED, None)
        outcome: training.Outcome = self._stage("train", task.train, partial(self._while_training, task))
        if outcome.ended_by in ("terminated", "preempted", "cancelled"):
            raise Interrupted
        if outcome.epochs == 0:
            return self._ended(
                RunState.INTERRUPTED,
                "stopped before the first epoch was validated: there is nothing to score yet",
            )
        self._stage("convert", task.convert, lambda: SCORES)
        return outcome

    def _report(self) -> None:
        """Seal what the run made, and write the page that shows it: it is done whatever becomes of this page, and ends here.

        Nobody stops it here any more: the scores are there, and a start that only makes the page would make them again.
        """
        run = self._run
        self._enter("report")
        upright = self._inputs.release != "4.3"
        self._attempt(
            "the pictures of the report",
            lambda: keep_pictures(run, wanted_pictures(run), self._files_of, upright=upright),
            "the report shows none",
        )
        run.confirm()
        run.seal_results()
        self._attempt("the report", lambda: write_report(run), f"`{own_command(f'show {run.name}')}` tries again")

    def _files_of(self, name: str) -> PageFiles:
        place = self._inputs.places["pages"][name]
        lines = tuple(Path(line["image"]) for line in place.get("lines", ()))
        return PageFiles(Path(place["staged"]), Path(place["image"]), lines)

    def _attempt(self, what: str, work: Callable[[], object], then: str) -> None:
        """Do what the result does not need; say what goes wrong."""
        try:
            work()
        except LockLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost what was trained for days
            said = error.headline if isinstance(error, HtrExpError) else f"{type(error).__name__}: {error}"
            text = f"{what} could not be made ({said}); the scores are as they should be, {then}"
            self._run.note(text)
            self._observer.note(text)

    def _stop(self) -> str | None:
        """What signals, or `cancel` from another process, ask; `LockLost` where another has taken the run over."""
        if not self._cancelled and time.monotonic() - self._looked > LOOK_S:
            self._looked, self._cancelled = time.monotonic(), self._run.cancelled() is not None
            self._run.confirm()
        return self._signalled() or ("cancelled" if self._cancelled else None)

    def _begin(self, opens: bool) -> None:
        """Record the start, and clear away what a start that was killed has left."""
        self._run.clear_leftovers()
        temporary_folder.clear(self._run)
        before = [start for start in self._run.begun if "start" in start]
        given = machine.allocation()
        append_jsonl(
            self._run.starts,
            {
                **_counted(len(before), self._last_stage, opens),
                "time": utc_now(),
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "code": provenance.code_digest(),
                "node": given.node if given else None,
                "job": given.job if given else None,
                "restart": given.restarts if given else 0,
            },
        )

    def _say_which_kraken(self) -> None:
        """Record the kraken of this start, what it computes with and where; a fallback is said, too."""
        if self._inputs.of_system:
            return
        kraken = self._inputs.kraken
        place = {"software": software_of(kraken), "machine": provenance.machine()}
        append_jsonl(self._run.krakens, {"time": utc_now(), **kraken.facts(), **place})
        if kraken.fallback:
            text = f"{kraken.fallback}: uses kraken {kraken.version} of {kraken.image} instead"
            self._run.note(text)
            self._observer.note(text)

    def _why(self, error: HtrExpError) -> str:
        said = [error.headline, *map(str, error.problems)]
        slurm = self._inputs.experiment.slurm
        settings = asdict(slurm) if slurm.submit else {}
        if isinstance(error, Lacking):
            known: failures.Failure | None = failures.LACKING[error.what](settings)
        else:
            known = failures.in_words("\n".join(said), slurm=settings)
        if known and known.cause == "disk":
            places = (self._run.path, self._inputs.cache, Path(tempfile.gettempdir()), Path.home())
            said = [*(f"nothing more fits on the disk of {place}" for place in full(places)), *said]
        return "; ".join([f"{known.sentence}: {known.remedy}", *said] if known else said)

    def _ended(self, state: RunState, reason: str | None) -> StateRecord:
        self._run.confirm()
        temporary_folder.clear(self._run)
        stage = self._run.state().stage
        self._run.write_state(state, reason=reason, stage=None if state is RunState.DONE else stage)
        self._run.note(f"{state}: {reason}" if reason else state)
        if state.has_scores:
            openings.note_scored(self._run)
        return self._run.state()

    def _while_training(self, task: Stages) -> str:
        if not self._run.epochs():
            return NOTHING_YET
        return f"{SCORES}, about {duration(max(round(task.seconds_to_score(), -1), 10))}"

    def _stage(self, name: str, work: Callable[[], Any], answer: Callable[[], str] | None = None) -> Any:
        """Do a stage.

        Args:
            name: of the stage.
            work: what is done.
            answer: what is said to a Ctrl-C that does not end the stage: there is a model by then, and it means that this one is
                to be scored. None: it ends the stage at once.
        """
        self._goes_on_after = () if answer is None else ("user",)
        self._answer = answer or (lambda: STOPS_HERE)
        self._stop_here()
        self._enter(name)
        killed_after: int | None = None
        while True:
            try:
                return work()
            except KilledError as error:
                asked_within(self._stop)  # who ended kraken may be about to end us
                self._stop_here()
                # every stage goes on from what it left; twice in one epoch is a reason to stop
                done = len(self._run.epochs())
                if done == killed_after:
                    raise
                killed_after = done
                self._run.note(f"{error.headline}: starts it again")
                self._observer.note(f"{error.headline}: starts it again")

    def _enter(self, name: str) -> None:
        self._run.confirm()
        self._run.write_state(RunState.RUNNING, stage=name)
        self._run.note(name)
        self._observer.stage(name)

    def _stop_here(self) -> None:
        if self._is_to_end():
            raise Interrupted

    def _is_to_end(self) -> bool:
        word = self._stop()
        return word is not None and word not in self._goes_on_after

    def _call(
        self,
        argv: Sequence[str],
        doing: str,
        watch: Callable[[], None] = lambda: None,
        bar: Callable[[int, int], None] | None = None,
    ) -> None:
        """Run one of kraken's programs to its end; its exit code says little, so callers look at what it made.

        Args:
            argv: its words.
            doing: what it does, for the message where it fails.
            watch: called several times a second.
            bar: told what its bar says; by another thread.
        """
        last: list[str] = []
        with open(self._run.log, "a", encoding="utf-8") as log:
            log.write(f"$ {hidden(' '.join(argv))}\n")

            def keep(line: str) -> None:
                if bar is not None:
                    line = without_steering(line)
                    if (reached := extracted_of(line)) is not None:
                        bar(*reached)
                        return
                log.write(hidden(line) + "\n")
                last[:] = [*last[-20:], line.strip()] if line.strip() else last

            command = self._inputs.kraken.start(
                argv,
                threads=self._inputs.experiment.training.threads,
                on_line=keep,
                folder=self._run.path,
                bars=bar is not None,
            )
            try:
                while (code := command.wait(0.2)) is None:
                    watch()
                    self._stop_here()
            except BaseException:
                command.kill()
                raise
        if code:
            kind = KilledError if was_killed(code) else TrainingError
            raise kind(
                f"kraken failed while {doing} (exit code {code})", [f"kraken says: {line}" for line in last[-6:]]
            )
