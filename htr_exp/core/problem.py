"""What keeps work from being done, as one sentence for people and three fields for programs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something that keeps work from being done, or that is wrong with what was given.

    Attributes:
        what: what is wrong, with the value as the user typed it.
        remedy: what to do next, in the imperative; "" where `what` says it.
        where: the key, file or program that it is about, as the user calls it; "" where there is none.
    """

    what: str
    remedy: str = ""
    where: str = ""

    @property
    def section(self) -> str:
        """The group of the configuration that it is about: `split` of the key `split.validation`."""
        return self.where.partition(".")[0]

    @property
    def sentence(self) -> str:
        """What is wrong and where, without the remedy."""
        told = self.where in self.what or self.where in self.remedy
        return self.what if told else f"{self.where}: {self.what}"

    def __str__(self) -> str:
        if not self.remedy:
            return self.sentence
        return f"{self.sentence}{';' if ': ' in self.sentence else ':'} {self.remedy}"
