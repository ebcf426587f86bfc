"""What a whole run leaves: nothing that the umask takes away from others can be read by them, and no secret is in it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario

PASSWORD = "open-sesame-22"


def made_in(folder: Path) -> Iterator[Path]:
    """All files and folders below one, and in the caches of the test's user."""
    for top in (folder, folder.parent / "home"):
        yield from (path for path in top.rglob("*") if not path.is_symlink())


@pytest.mark.parametrize(
    ("umask", "never", "always"),
    [pytest.param(0o077, 0o077, 0o600, id="077"), pytest.param(0o002, 0o002, 0o660, id="002", marks=pytest.mark.slow)],
)
def test_everything_of_a_run_follows_the_umask(
    umask: int, never: int, always: int, htr_exp: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run folder, workspace, caches and MLflow's store; 644 was forced on every file."""
    trained = htr_exp(*htr_exp.training("tracking=embedded"), umask=umask)
    assert trained.code == 0, trained.stderr
    checked = htr_exp(
        "check", "--quick", str(htr_exp.folder.parent / "pages"), "--fix", str(htr_exp.folder / "fixed"), umask=umask
    )
    assert checked.code == 0, checked.stderr
    modes = {
        path.relative_to(htr_exp.folder.parent): stat.S_IMODE(path.stat().st_mode) for path in made_in(htr_exp.folder)
    }
    names = {path.name for path in modes}
    assert {"experiment.yaml", "log.txt", "best.mlmodel", "results.json", "mlflow.db", "fixed"} <= names
    assert {str(path): oct(mode) for path, mode in modes.items() if mode & never} == {}
    key = Path("home/XDG_DATA_HOME/htr_exp")  # of this account's signatures: nobody else ever reads it
    assert {oct(modes.pop(path) & 0o077) for path in (key, key / "signing.key")} == {"0o0"}
    assert {str(path): oct(mode) for path, mode in modes.items() if mode & always != always} == {}


def test_no_secret_is_in_anything_of_a_run(
    htr_exp: CommandLine, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kraken fails, and says an address with a password and the value of a variable."""
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    scenario.play(fail="compile", message=f"RuntimeError: http://ada:other-secret@host and {PASSWORD}")
    failed = htr_exp.train()
    assert failed.code == 1
    refused = [
        htr_exp.train(f"tracking.uri=http://ada:{PASSWORD}@host"),
        htr_exp.train(f"name=a{PASSWORD}"),
        htr_exp("resume", PASSWORD),
    ]
    assert [one.code for one in refused] == [2, 2, 2]
    logs = htr_exp("logs", "last")
    assert "[secret]" in logs.stdout
    shown = [
        one.stdout + one.stderr for one in (failed, *refused, logs, htr_exp("status"), htr_exp("status", "--json"))
    ]
    written = [path for path in made_in(htr_exp.folder) if path.is_file()]
    assert any(path.name == "log.txt" for path in written)
    for secret in (PASSWORD, "other-secret"):
        assert not [text for text in shown if secret in text]
        assert not [path for path in written if secret.encode() in path.read_bytes()]
