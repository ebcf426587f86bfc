"""Problems as the sentences that a user reads."""

from __future__ import annotations

from collections.abc import Iterable

from htr_exp.core.errors import HtrExpError
from htr_exp.core.problem import Problem


def sentences(found: HtrExpError | Iterable[Problem]) -> list[str]:
    """What an error, or a check, says: one sentence a problem."""
    return [str(problem) for problem in (found.problems if isinstance(found, HtrExpError) else found)]
