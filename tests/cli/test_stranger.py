"""A folder of somebody else: every verb is run in it, nothing in it runs, nothing is sent, and it is said what is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.command_line import CommandLine
from helpers.listener import Listener
from helpers.stranger import StrangersFolder, seen
from htr_exp.cli.arguments import VERBS
from htr_exp.core import files
from htr_exp.core.own_python import python_module
from htr_exp.core.run_state import RunState
from htr_exp.runs import ownership
from htr_exp.runs.run_dir import RunDir
from htr_exp.slurm import jobs

pytestmark = pytest.mark.seconds

HTR_EXP = Path(sys.executable).with_name("htr-exp")

WORDS = {
    "experiment": ["dataset=demo", "model=demo", "--dry-run"],
    "check": ["dataset=demo", "--quick"],
    "doctor": ["--json"],
    "init": [],
}
"""What a family of verbs is asked; all others look at the runs that are there."""


@pytest.fixture
def theirs(workspace: Path, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> StrangersFolder:
    """The folder that we stand in, and a password that nobody there may hear."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret-of-mine")
    monkeypatch.delenv("PYTHONPATH")
    found = StrangersFolder(tmp_path / "from-elsewhere", tmp_path / "ran", listener.uri)
    monkeypatch.chdir(found.path)
    return found


@pytest.fixture
def theirs_program(tmp_path: Path) -> Path:
    """A program that writes a file `ran` beside itself."""
    path = tmp_path / "from-elsewhere" / "ketos"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\ntouch '{path.parent / 'ran'}'\necho 'ketos, version 7.1.1'\n")
    path.chmod(0o755)
    return path


def say(*words: str, started: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """A verb as a user types it."""
    return subprocess.run(
        [*(started or [str(HTR_EXP)]), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )


def ui() -> subprocess.CompletedProcess[str]:
    """The verb `ui`, which does not end: it is ended once it has recorded what it records, and begins to show it."""
    words = [str(HTR_EXP), "ui", "--port", "0"]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as shown:
        assert shown.stdout is not None
        first = next((line for line in shown.stdout if line.startswith("starting MLflow")), "")
        shown.send_signal(signal.SIGINT)
        rest, errors = shown.communicate(timeout=120)
    assert first, errors
    return subprocess.CompletedProcess(words, shown.returncode, first + rest, errors)


def words_of(verb: str) -> list[str]:
    words = WORDS.get(VERBS[verb].family, [])
    return [*words, "--uri", "http://127.0.0.1:1"] if VERBS[verb].family == "ui" else words


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_runs_a_module_of_the_current_directory(verb: str, theirs: StrangersFolder) -> None:
    theirs.add_modules()
    said = say(verb, *words_of(verb))
    assert theirs.ran == ""
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("variable", [None, "", ":/nowhere", ".", "sub"])
def test_neither_does_python_m(variable: str | None, theirs: StrangersFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs.add_modules()
    if variable is not None:
        monkeypatch.setenv("PYTHONPATH", variable)
        for name in ("sitecustomize", "usercustomize"):  # Python's own, before any program: SECURITY.md says so
            (theirs.path / f"{name}.py").unlink()
    for verb in ("status", "options", "compare"):
        assert say(verb, started=[sys.executable, "-m", "htr_exp"]).stderr == ""
        assert say(verb).stderr == ""
    assert theirs.ran == ""


def test_these_modules_would_run(theirs: StrangersFolder) -> None:
    """Without this the tests above would show nothing."""
    theirs.add_modules()
    subprocess.run([sys.executable, "-c", "import rich, hydra_plugins.theirs"], check=True)
    assert theirs.ran == "rich\na plugin\n"


@pytest.mark.parametrize("verb", [verb for verb, one in VERBS.items() if one.family not in WORDS])
def test_a_verb_that_reads_sends_nothing_and_runs_nothing(
    verb: str, theirs: StrangersFolder, listener: Listener
) -> None:
    theirs.add_run()
    more = ["--sync"] if verb == "status" else []
    names = ["theirs"] if verb in ("logs", "cancel", "resume") else []
    said = ui() if verb == "ui" else say(verb, *names, *more)
    assert (listener.heard, theirs.ran) == ([], "")
    assert "Traceback" not in said.stderr
    if verb in ("sync", "status", "ui"):
        assert f"only its own record names the server {listener.uri}" in said.stderr
        assert f"--uri {listener.uri}" in said.stderr
    if verb == "resume":
        assert said.returncode == 2
        assert "this run was not written by you" in said.stderr
        assert "--trust" in said.stderr


def test_a_server_that_is_named_is_spoken_to(
    theirs: StrangersFolder, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this the test above would show nothing."""
    theirs.add_run()
    say("sync", "--uri", listener.uri)
    assert listener.heard[0].startswith("GET /health")
    listener.heard.clear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", listener.uri)
    say("sync")
    assert listener.heard[0].startswith("GET /health")


@pytest.mark.parametrize(
    "name", ["live/log.txt", "predictions/test.jsonl", "best.mlmodel", "live/tracking.json", "provenance.json"]
)
def test_links_in_a_run_folder_are_not_followed(
    name: str, theirs: StrangersFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("my own secret\n")
    run = theirs.add_run(state="done")
    theirs.add_run("beside-00000000", state="done")
    theirs.add_link(run, name, secret)
    said = say("status", "--json")
    assert [row["run"] for row in seen(said.stdout)] == ["beside-00000000"]
    assert f"runs/{run.name}: it holds symbolic links or special files ({name})" in said.stderr
    for verb in ("logs", "sync", "resume", "cancel"):
        said = say(verb, run.name)
        assert (said.returncode, "it holds symbolic links" in said.stderr) == (2, True)
        assert "my own secret" not in said.stdout + said.stderr
    assert secret.read_text() == "my own secret\n"


def test_a_pipe_in_a_run_folder_makes_nobody_wait(theirs: StrangersFolder) -> None:
    run = theirs.add_run()
    (run / "live" / "state.json").unlink()
    os.mkfifo(run / "live" / "state.json")
    assert "it holds symbolic links or special files (live/state.json)" in say("status").stderr


def test_conf_of_the_folder_starts_nothing_and_says_what_it_replaces(theirs: StrangersFolder) -> None:
    site = theirs.path / "conf" / "site"
    site.mkdir(parents=True)
    call = f'{{_target_: builtins.exec, _args_: ["{theirs.code("hydra").strip()}"]}}'
    (site / "laptop.yaml").write_text(
        f"# @package _global_\nsite: {{name: laptop}}\nhydra: {{callbacks: {{x: {call}}}}}\n"
    )
    for verb in ("train", "check", "evaluate"):
        more = ["-m", "seed=1,2"] if verb == "train" else []
        said = say(verb, *words_of(verb), *more)
        assert said.returncode == 2
        assert "conf/site/laptop.yaml: hydra.callbacks.x._target_" in said.stderr
    (site / "laptop.yaml").write_text(
        "# Mine.\nname: laptop\nworkspace: .\nground_truth: .\nmodels: m\nruns: r\ncache: c\n"
    )
    said = say("train", *words_of("train"))
    assert "conf/site/laptop.yaml of the current directory is used instead of the site=laptop" in " ".join(
        said.stdout.split()
    )
    assert "from ./conf" in said.stdout
    said = say("check", *words_of("check"))
    assert "conf/site/laptop.yaml of the current directory is used instead of the site=laptop" in said.stderr
    assert theirs.ran == ""


def test_children_of_ours_start_without_the_current_directory(theirs: StrangersFolder) -> None:
    theirs.add_modules()
    words = ["htr_exp", "sync", "--json", f"--workspace={theirs.path}"]
    assert subprocess.run(python_module(*words), capture_output=True, text=True).stdout == "[]\n"
    assert theirs.ran == ""


def test_resume_goes_on_with_the_programs_of_the_configuration(
    planned: Callable[..., RunDir], htr_exp: CommandLine, theirs_program: Path
) -> None:
    run = planned()
    files.write_json(run.places, files.read_json(run.places) | {"ketos": str(theirs_program)})
    said = htr_exp("resume", run.name)
    assert said.code == 0, said.stderr
    assert not (theirs_program.parent / "ran").exists()


def test_resume_takes_no_template_and_no_program_of_a_changed_folder(
    planned: Callable[..., RunDir], htr_exp: CommandLine, theirs_program: Path
) -> None:
    run = planned()
    run.template.write_text("{{ 7 * 7 }}")
    run.experiment.write_text(run.experiment.read_text().replace("ketos: ", f"ketos: {theirs_program} #"))
    for more in ([], ["--trust"]):
        said = htr_exp("resume", run.name, *more)
        assert said.code == 2
        assert "changed since it was written: experiment.yaml, predict.jinja" in said.stderr
    run.seal({})  # as somebody does who knows how
    said = htr_exp("resume", run.name)
    assert (said.code, "was not written by you" in said.stderr) == (2, True)
    assert not (theirs_program.parent / "ran").exists()


def test_a_copied_run_is_gone_on_with_once_it_is_trusted(planned: Callable[..., RunDir], htr_exp: CommandLine) -> None:
    run = planned()
    copy = RunDir(Path(shutil.copytree(run.path, run.path.with_name(f"copied-{run.name}"))))
    shutil.rmtree(run.path)
    assert (said := htr_exp("resume", copy.name)).code == 2
    assert f"resume {copy.name} --trust" in said.stderr
    assert (said := htr_exp.train()).code == 2  # the same experiment
    assert "again=true makes another run" in said.stderr
    assert htr_exp("resume", copy.name, "--trust").code == 0
    assert ownership.is_ours(copy)
    assert copy.state().state is RunState.DONE


def test_a_pipe_that_a_record_names_as_the_log_of_a_job_makes_nobody_wait(theirs: StrangersFolder) -> None:
    run = RunDir(theirs.add_run())
    os.mkfifo(theirs.path / "pipe")
    files.append_jsonl(
        run.submissions, {"time": "2026-03-01T10:00:00Z", "by": "me", "job": "7", "log": str(theirs.path / "pipe")}
    )
    said = say("logs", "theirs")
    assert (said.returncode, "kraken said this" in said.stdout) == (0, True)


def test_only_numbers_of_jobs_are_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scancel = tmp_path / "scancel"
    scancel.write_text(f"#!/bin/sh\necho \"$@\" > '{tmp_path / 'asked'}'\n")
    scancel.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert jobs.cancel(["12", "--user=me", "13_4", "-a", "14; true"]) is None
    assert (tmp_path / "asked").read_text() == "12 13_4\n"


def test_show_opens_the_page_that_it_made_itself(theirs: StrangersFolder, listener: Listener) -> None:
    run = RunDir(theirs.add_run(state="done"))
    run.report.write_text(f"<!DOCTYPE html><script src='{listener.uri}'></script>")
    files.write_json(run.places, {"pages": {"p3.xml": {"image": "/etc/passwd", "staged": "/dev/zero"}}})
    said = say("show", "--json")
    assert '"made": true' in said.stdout, said.stderr
    assert "<script" not in run.report.read_text(encoding="utf-8")
    assert (listener.heard, theirs.ran) == ([], "")
