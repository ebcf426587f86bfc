"""Everything a user must know of and act on, as exceptions that carry all problems at once.

    HtrExpError
    ├── ConfigError              a key, a value or a combination that cannot run
    ├── DatasetError             ground truth that cannot be used as it is
    ├── ChangedError             a file that a run uses is not what it was planned with
    ├── ModelError               a base model that is missing, unreadable or of the wrong kind
    ├── RuntimeUnavailableError  kraken cannot be started here
    ├── SubmissionError          Slurm does not take the job
    ├── Lacking                  the system gives no memory, process or thread
    ├── DisplayLost              what is shown cannot be written
    └── TrainingError            kraken, or a stage around it, failed
        └── KilledError          somebody or something killed kraken

`cli.main` catches these, and a library that is missing: any other exception is a defect and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from htr_exp.core.memory_reserve import give_memory_back
from htr_exp.core.problem import Problem


class HtrExpError(Exception):
    """Something the user can correct.

    Args:
        headline: one line that says what cannot be done.
        problems: every reason; a plain sentence is a problem of its own.
    """

    def __init__(self, headline: str, problems: Sequence[Problem | str] = ()) -> None:
        super().__init__(headline)
        self.headline = headline
        self.problems = [Problem(one) if isinstance(one, str) else one for one in problems]

    def reasons(self) -> list[Problem]:
        """The problems, each with the headline before it; the headline alone where there are none."""
        about = self.headline.rstrip(":")
        if not self.problems:
            return [Problem(about)]
        return [replace(one, what=f"{about}: {one.what}", where=about) for one in self.problems]

    @property
    def one_line(self) -> str:
        """Headline and problems, for a record."""
        return "; ".join([self.headline, *map(str, self.problems)])

    def __str__(self) -> str:
        return "\n".join([self.headline, *(f"  - {problem}" for problem in self.problems)])


class ConfigError(HtrExpError):
    """A key, a value or a combination of them that cannot run."""


class DatasetError(HtrExpError):
    """Ground truth that cannot be used as it is."""


class ChangedError(HtrExpError):
    """A file that a run uses is not what it was when the run was planned: nothing that follows from it may be kept."""


class ModelError(HtrExpError):
    """A base model that is missing, unreadable or of the wrong kind."""


class RuntimeUnavailableError(HtrExpError):
    """kraken cannot be started where the run needs it."""


class SubmissionError(HtrExpError):
    """Slurm does not take the job."""


class Lacking(HtrExpError):
    """The system gives no memory, process or thread.

    Args:
        headline, problems: as of `HtrExpError`.
        what: `memory` or `processes`.
    """

    def __init__(self, headline: str, problems: Sequence[Problem | str], *, what: str) -> None:
        super().__init__(headline, problems)
        self.what = what


class DisplayLost(HtrExpError):
    """What is shown cannot be written to stdout."""

    def __init__(self, why: OSError) -> None:
        full = why.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space, or let it be shown elsewhere" if full else "let it be shown elsewhere"
        super().__init__(f"stdout cannot be written ({why.strerror})", [f"{remedy}; then run the same command again"])


class TrainingError(HtrExpError):
    """kraken, or a stage around it, failed."""


class KilledError(TrainingError):
    """Somebody or something, and not we, killed kraken: it may do better when it starts again."""


def of_memory(error: BaseException) -> Lacking | None:
    """The error that tells a user what it means that the system gave no memory, process or thread; None: it is something else.

    With a limit of memory (`ulimit -v`, a container, --mem) Python cannot start a program or a thread either. What the
    process kept back for this moment is given back, so that the words find room.
    """
    refused = ("Cannot allocate memory", "failed to map segment")  # the second: of a library that is loaded
    no_error = "without exception set"  # Python found no memory for an error of its own
    if (
        isinstance(error, MemoryError)
        or getattr(error, "errno", None) == errno.ENOMEM
        or (isinstance(error, ImportError) and any(word in str(error) for word in refused))
        or (isinstance(error, SystemError) and no_error in str(error))
    ):
        give_memory_back()
        return Lacking(
            "the memory of this machine, or what this process may use of it, is full",
            ["close other programs, or ask for more (in a job: slurm.mem_gb=GB); then run the same command again"],
            what="memory",
        )
    if getattr(error, "errno", None) == errno.EAGAIN or "can't start new thread" in str(error):
        return Lacking(
            "no more processes or threads can be started, for want of memory or by a limit (`ulimit -u`)",
            ["close other programs, or ask for more; then run the same command again"],
            what="processes",
        )
    return None


def plainly(error: Exception, folder: Path) -> HtrExpError:
    """The error that tells a user what it means that the system refused something to a run, most often to write in its folder."""
    if (lacking := of_memory(error)) is not None:
        return lacking
    if not isinstance(error, OSError):
        return HtrExpError(f"{folder}: {error}")
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        named = error.filename2 or error.filename
        written = Path(os.fsdecode(named)) if named is not None else folder
        place = folder if written.is_relative_to(folder) else written.parent
        return HtrExpError(
            f"{place}: the disk or the quota is full",
            ["free some space and run the same command again: it goes on where it stopped"],
        )
    if error.errno in (1, 13, 30):  # EPERM, EACCES, EROFS
        return HtrExpError(
            f"{folder}: cannot be written ({error.strerror})",
            ["choose another place with site.workspace=FOLDER, or correct the permissions"],
        )
    return HtrExpError(f"{error.filename or folder}: {error.strerror or error}")
