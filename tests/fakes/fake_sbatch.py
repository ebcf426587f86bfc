"""An `sbatch` that takes jobs: it numbers them from 101, keeps their scripts, and refuses what fake_sbatch.json beside it says.

`{"test": "words", "refuse": {"102": "words"}}`: what `--test-only` answers instead of yes, and jobs that are not taken.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FIRST = 101


@dataclass(frozen=True)
class Sbatch:
    """The program's folder, seen from a test."""

    folder: Path

    def answers(self, **values: Any) -> None:
        """From now on: `test="words"`, `refuse={102: "words"}`."""
        (self.folder / "fake_sbatch.json").write_text(json.dumps(values))

    @property
    def scripts(self) -> list[str]:
        """The scripts of the jobs that were taken, oldest first."""
        return [path.read_text() for path in sorted(self.folder.glob("taken-*.sh"))]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it was started with for the last of them."""
        values: dict[str, str] = json.loads((self.folder / "environment.json").read_text())
        return values


def put_on_path(programs: Path, monkeypatch: pytest.MonkeyPatch) -> Sbatch:
    """Replace the `sbatch` of a folder on PATH."""
    program = programs / "sbatch"
    program.write_text(f"#!{sys.executable}\nimport runpy; runpy.run_path({__file__!r}, run_name='__main__')\n")
    program.chmod(0o755)
    monkeypatch.setenv("FAKE_SBATCH", str(programs.parent))
    found = Sbatch(programs.parent)
    found.answers()
    return found


def main() -> None:
    folder = Path(os.environ["FAKE_SBATCH"])
    answers = json.loads((folder / "fake_sbatch.json").read_text())
    number = FIRST + len(list(folder.glob("taken-*.sh")))
    testing = "--test-only" in sys.argv
    refused = answers.get("test") if testing else answers.get("refuse", {}).get(str(number))
    if refused:
        sys.exit(f"sbatch: error: {refused}")
    if not testing:
        (folder / f"taken-{number}.sh").write_text(Path(sys.argv[-1]).read_text())
        (folder / "environment.json").write_text(json.dumps(dict(os.environ)))
        print(f"Submitted batch job {number}")


if __name__ == "__main__":
    main()
