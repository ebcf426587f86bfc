"""The states of a run."""

from __future__ import annotations

from enum import Enum


class RunState(str, Enum):
    """The state of a run; in JSON, tables and messages it is its word."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STOPPED = "stopped"  # by its user, who has the scores of the best model so far
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"

    def __str__(self) -> str:
        return self.value

    @property
    def is_ended(self) -> bool:
        """Whether nothing works in the run and it waits for nothing."""
        return self not in (RunState.QUEUED, RunState.RUNNING)

    @property
    def is_settled(self) -> bool:
        """Whether the run's own folder decides it, whatever Slurm says of its job."""
        return self.is_ended and self is not RunState.INTERRUPTED

    @property
    def can_submit(self) -> bool:
        """Whether a run that no job works for is given to Slurm."""
        return self not in (RunState.RUNNING, RunState.DONE)

    @property
    def is_failure(self) -> bool:
        """Whether the run's work failed, so that its job is to fail, too."""
        return self in (RunState.FAILED, RunState.TIMED_OUT)

    @property
    def has_scores(self) -> bool:
        """Whether the run ended with scores."""
        return self in (RunState.DONE, RunState.STOPPED)
