"""Commands with `on=SITE`, over a real ssh to this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.in_process import Call
from helpers.loopback_ssh import MISSING, WHY_NOT, LoopbackSsh
from helpers.recorded_runs import make_run

ON = ("on=unistra", "site.login=cluster")
RUNS = "Repertoire_model_finetune"


@pytest.fixture
def cluster(tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackSsh]:
    """A machine with our tool and two runs, one of which is done."""
    if MISSING:
        pytest.skip(WHY_NOT)
    found = LoopbackSsh(tmp_path / "ssh", tmp_path / "home there")
    found.start()
    found.install()
    make_run(found.there)
    make_run(found.there, "waiting-tridis-11111111", state="queued", curve=())
    (found.there / "runs").rename(found.there / RUNS)
    monkeypatch.setenv("HTR_EXP_SSH", found.ssh)
    yield found
    found.stop()


def test_runs_there_are_shown_followed_and_fetched(call: Call, cluster: LoopbackSsh, workspace: Path) -> None:
    table = call("status", *ON)
    assert table.code == 0
    assert [line.split()[:2] for line in table.out.splitlines()[1:3]] == [
        ["odalricus-tridis-0a1b2c3d", "done"],
        ["waiting-tridis-11111111", "queued"],
    ]
    assert "Welcome" not in table.out
    assert len(call("status", "--json", "odal", *ON).json) == 1
    log = call("logs", "odal", *ON)
    assert (log.code, log.out) == (0, "kraken said this\n")
    assert call("logs", "nothing-like-this", *ON).code == 2
    assert call("cancel", "waiting", *ON).out == "waiting-tridis-11111111: cancelled (it was queued)\n"
    assert list(workspace.iterdir()) == []
    (cluster.there / RUNS / "waiting-tridis-11111111/live/cancelled.json").unlink()

    fetched = call("pull", *ON)
    assert fetched.code == 0
    assert "waiting-tridis-11111111: queued: not fetched before it has ended" in fetched.out
    assert "on=unistra site.login=cluster -f" in fetched.out
    assert [row["run"] for row in call("status", "--json").json] == ["odalricus-tridis-0a1b2c3d"]
    assert (workspace / "mlflow.db").exists()
    again = call("pull", *ON, "--json")
    assert [one["done"] for one in again.json] == ["waits", "same"]
    assert call("pull", "waiting", *ON).code == 1
    assert cluster.sessions() == 1


def test_what_is_wrong_there_is_said_with_what_to_write_where(call: Call, cluster: LoopbackSsh) -> None:
    said = call("status", *ON, "site.login_environment=no environment")
    assert (said.code, "no htr-exp in no environment on cluster" in said.err) == (2, True)
    said = call("logs", *ON, "site.login_workspace=nowhere")
    assert (said.code, "there is no folder nowhere on cluster" in said.err) == (2, True)
    program = cluster.there / "bin" / "htr-exp"
    program.write_text("#!/bin/sh\necho 'htr_exp 0.0.1'\n[ \"$1\" = --version ] || echo '[]'\n")
    said = call("status", *ON)
    assert (said.code, said.out) == (0, "there are no runs on cluster yet\n")
    assert "htr_exp there is 0.0.1 (cluster), here it is " in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "on=unistra", "dataset=demo"), "train works here alone"),
        (("status", "on=laptop"), "in conf/site/laptop.yaml"),
        (("status", "on=unistra", "on=other"), "name one site"),
        (("status", "on=unistra", "--workspace", "x"), "the workspace is the one there"),
        (("push", "x"), "which site?"),
        (("pull",), "which site?"),
        (("push", "on=unistra"), "push sends what?"),
        (("push", "on=unistra", "no/such/folder"), "no/such/folder: there is no such folder or file"),
        (("push", "on=unistra", "dataset=nothing_like_this"), "nothing_like_this"),
    ],
)
def test_words_that_mean_no_other_site_are_refused_before_anything_is_reached(
    words: tuple[str, ...], said: str, call: Call
) -> None:
    told = call(*words)
    assert told.code == 2
    assert said in told.err


def test_a_dataset_is_sent_once(call: Call, cluster: LoopbackSsh, workspace: Path) -> None:
    (workspace / "ground_truth" / "Gratian").mkdir(parents=True)
    (workspace / "ground_truth" / "Gratian" / "p1.xml").write_text("page")
    assert "1 file sent, 4 bytes" in call("push", *ON, "dataset=gratian").out
    assert (cluster.there / "Ground_Truth/Gratian/p1.xml").read_text() == "page"
    sent = call("push", *ON, "--json", "ground_truth/Gratian").json
    assert [(one["files"], one["same"]) for one in sent] == [(0, 1)]


@pytest.mark.parametrize(("typed", "words"), [("o", ["on="]), ("on=", ["on=unistra"]), ("on=l", [])])
def test_the_sites_that_can_be_reached_are_completed(typed: str, words: list[str], call: Call) -> None:
    assert call("completion", "answer", "zsh", f"htr-exp status {typed}").out.split() == words
