"""Accounts without a home, or with one that cannot be written, as in a container or a job."""

from __future__ import annotations

import pytest

from helpers.command_line import CommandLine
from htr_exp.runs.ownership import is_ours

pytestmark = pytest.mark.seconds

HOMES = {"none": None, "a file": "/dev/null", "not there": "/dev/null/nobody"}


@pytest.mark.parametrize("name", HOMES)
def test_a_run_is_done_and_read_and_what_it_lacks_is_said(
    htr_exp: CommandLine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    if (home := HOMES[name]) is not None:
        monkeypatch.setenv("HOME", home)
    done = htr_exp.train("training.epochs=1")
    assert (done.code, "Traceback" in done.stderr) == (0, False), done.stderr
    (run,) = htr_exp.runs
    assert run.state().state == "done"
    if home is not None:
        assert "warning: the key that runs are signed with has no place" in done.stderr
        assert "set XDG_DATA_HOME to a folder that is yours alone" in " ".join(done.stderr.split())
        assert not is_ours(run)
    for verb in ("status", "compare", "options"):
        shown = htr_exp(verb)
        assert (shown.code, "Traceback" in shown.stderr) == (0, False), shown.stderr


def test_with_a_place_for_the_key_it_can_be_gone_on_with(
    htr_exp: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
    done = htr_exp.train("training.epochs=1")
    assert (done.code, done.stderr) == (0, "")
    (run,) = htr_exp.runs
    assert is_ours(run)
