"""A cluster on loopback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.loopback_ssh import MISSING, WHY_NOT, LoopbackSsh


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackSsh]:
    """A machine that ssh reaches as `cluster`."""
    if MISSING:
        pytest.skip(WHY_NOT)
    found = LoopbackSsh(tmp_path / "ssh", tmp_path / "home of the cluster's user")
    found.start()
    monkeypatch.setenv("HTR_EXP_SSH", found.ssh)
    yield found
    found.stop()


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Put an ssh on the PATH that writes something on stderr and ends."""

    def make(said: str, code: int) -> None:
        program = tmp_path / "bin" / "ssh"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f"#!{sys.executable}\nimport sys\nif '-G' in sys.argv: sys.exit(0)\nsys.stderr.write({said!r})\nsys.exit({code})\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("HTR_EXP_SSH", str(program))

    return make
