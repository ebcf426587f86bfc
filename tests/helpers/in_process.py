"""The command line, run in this process: much quicker than `CommandLine`, which starts one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from htr_exp.cli.main import main

ROW_KEYS = {
    "run", "task", "state", "jobs", "restarts", "reason", "epoch", "metric", "val", "test", "val_cer", "test_cer",
    "resumed_at", "resumed_exactly",
}  # fmt: skip
"""Of a run in `status --json` and `compare --json`: the keys that programs of others read."""

PROBLEM_KEYS = {"code", "severity", "file", "line", "message", "lines", "files"}
"""Of a problem in `check --json`: all its keys."""


@dataclass(frozen=True)
class Said:
    """What a command line answered, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed as its last line."""
        return json.loads(self.out.strip().splitlines()[-1])


Call = Callable[..., Said]


def in_process(capsys: pytest.CaptureFixture[str]) -> Call:
    """Make a function that runs a command line and gives back what it printed."""

    def run(*words: object) -> Said:
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run
