"""A cluster for tests: Slurm's programs on PATH, what they answer, and what they were asked."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from htr_exp.slurm.jobs import COLUMNS

PROGRAMS = ("squeue", "sacct", "sacctmgr", "scancel", "scontrol", "sinfo", "sbatch", "sstat")
PROGRAM = Path(__file__).with_name("fake_slurm.py")


@dataclass
class Site:
    """What each program says from now on, and what it was asked so far."""

    file: Path
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def says(self, program: str, out: str = "", *, err: str = "", code: int = 0, sleep_s: float = 0) -> None:
        self.answers[program] = {"out": out, "err": err, "code": code, "sleep_s": sleep_s}
        self.file.write_text(json.dumps(self.answers))

    def queue(self, *rows: dict[str, str]) -> None:
        """Let squeue show rows, by its own columns; what is left out is empty."""
        self.says("squeue", "".join(squeue_row(**row) for row in rows))

    def accounts(self, *rows: str) -> None:
        """Let sacct show rows: `123|TIMEOUT|0:0|SUBMIT|END|NODE`."""
        self.says("sacct", "".join(f"{row}\n" for row in rows))

    def calls(self, program: str | None = None) -> list[dict[str, Any]]:
        log = self.file.with_name("slurm-calls.jsonl")
        found = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [call for call in found if program in (None, call["program"])]


def squeue_row(**values: str) -> str:
    """A line as `squeue -O` writes it."""
    given = {"State": "PENDING", "TimeLeft": "5:00:00", "StartTime": "N/A", "EndTime": "N/A", "RestartCnt": "0", "exit_code": "0",
             "Reason": "None"} | values  # fmt: skip
    return "".join(given.get(name, "").ljust(width)[:width] for name, width in COLUMNS.items()) + "\n"


def site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Put the programs on PATH, before any that are really there."""
    programs = folder / "slurm" / "bin"
    programs.mkdir(parents=True)
    for name in PROGRAMS:
        program = programs / name
        program.write_text(
            f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(PROGRAM)!r}, {{'PROGRAM': {name!r}}}, '__main__')\n"
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    found = Site(folder / "slurm" / "scenario.json")
    monkeypatch.setenv("FAKE_SLURM", str(found.file))
    found.file.write_text("{}")
    return found
