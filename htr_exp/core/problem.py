"""What keeps work from being done: a sentence for people, what to do next, and for programs the key that it is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something that keeps work from being done, or that is wrong with what was given.

    Attributes:
        what: what is wrong, as a sentence that names the key, file or program, with the value as the user typed it.
        remedy: what to do next, in the imperative; "" where `what` says it.
        where: the key, file or program that it is about, for programs that choose among problems; it is not shown. ""
            where there is none.
    """

    what: str
    remedy: str = ""
    where: str = ""

    @property
    def section(self) -> str:
        """The group of the configuration that it is about: `split` of the key `split.validation`."""
        return self.where.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what
