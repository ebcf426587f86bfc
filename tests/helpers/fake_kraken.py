"""A kraken that plays scenarios: its programs, what they play and what they were asked to do."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.folders import FAKES, TESTS


@dataclass
class Scenario:
    """What the fake kraken plays, and what it was asked to do."""

    file: Path
    values: dict[str, Any] = field(default_factory=dict)

    def play(self, **values: Any) -> None:
        """From now on, play this and nothing else."""
        self.values = values
        self.file.write_text(json.dumps(values))

    def go_on(self) -> None:
        """Let trainings go on that `hold_after` holds."""
        self.file.with_name("go-on").touch()

    def calls(self, verb: str | None = None) -> list[list[str]]:
        """The arguments of each call so far, or of those of one verb (compile, train, convert, ocr)."""
        log = self.file.with_name("calls.jsonl")
        found = [json.loads(line)["argv"] for line in log.read_text().splitlines()] if log.exists() else []
        return [argv for argv in found if verb is None or verb in argv]

    def temporary(self) -> list[Path]:
        """The temporary folder that each call made, and left."""
        log = self.file.with_name("calls.jsonl")
        found = [json.loads(line)["temporary"] for line in log.read_text().splitlines()]
        return [Path(left) for left in found if left]

    def pids(self) -> list[int]:
        """The process of each call."""
        log = self.file.with_name("calls.jsonl")
        return [json.loads(line)["pid"] for line in log.read_text().splitlines()] if log.exists() else []


def programs(folder: Path, *, release: str = "7.1") -> Path:
    """Write programs `ketos` and `kraken` that are fakes of a release; return the former's path."""
    folder.mkdir(parents=True)
    for name in ("ketos", "kraken"):
        program = folder / name
        program.write_text(
            f"#!{sys.executable}\nimport os, runpy, sys\nsys.path.insert(0, {str(TESTS)!r})\n"
            f"os.environ['FAKE_RELEASE'] = {release!r}\n"
            f"runpy.run_path({str(FAKES / f'fake_{name}.py')!r}, run_name='__main__')\n"
        )
        program.chmod(0o755)
    return folder / "ketos"
