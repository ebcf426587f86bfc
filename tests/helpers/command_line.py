"""The command line, run in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.waiting import TIMEOUT_S
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in


def changed(words: list[str], changes: Sequence[str]) -> list[str]:
    """The words with those replaced whose key is given anew."""
    keys = {change.partition("=")[0] for change in changes}
    return [word for word in words if word.partition("=")[0] not in keys] + list(changes)


@dataclass(frozen=True)
class Done:
    """A command line that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed as its last line."""
        return json.loads(self.stdout.strip().splitlines()[-1])


@dataclass
class CommandLine:
    """Runs `python -m htr_exp ...` in a process of its own."""

    words: list[str]
    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(self, *words: str, **options: Any) -> Done:
        """Run to the end."""
        return self.end(self.start(*words, **options))

    def train(self, *changes: str) -> Done:
        """Train the small experiment, with changes."""
        return self(*self.training(*changes))

    def training(self, *changes: str) -> list[str]:
        """The words that train the small experiment, with changes."""
        flags = [change for change in changes if change.startswith("-")]
        rest = tuple(change for change in changes if not change.startswith("-"))
        return ["train", *flags, *changed(self.words, rest)]

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start, in a session of its own, and return at once."""
        process = subprocess.Popen(
            [sys.executable, "-m", "htr_exp", *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )
        self.started.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> Done:
        """Wait for the end."""
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
        return Done(process.returncode, stdout, stderr)

    @property
    def runs(self) -> list[RunDir]:
        """The runs of the workspace."""
        return runs_in(self.folder / "runs")
