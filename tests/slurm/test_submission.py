"""A run given to Slurm: what is submitted runs, and whatever happens to it is told in plain words."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from helpers.cluster import Cluster
from helpers.command_line import CommandLine, Done
from helpers.fake_kraken import Scenario
from helpers.sentences import sentences
from helpers.waiting import until
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ConfigError
from htr_exp.core.files import read_jsonl
from htr_exp.pipeline.plan import make_plan
from htr_exp.runs.run_dir import RunDir

HELD = ["slurm=publicgpu", "slurm.extra.hold=true"]
REPOSITORY = Path(__file__).parents[2]


def ended(run: RunDir) -> str:
    """Wait for a run's end by its folder alone, and return its state."""
    return str(
        until(lambda: (now := run.state().state) in ("done", "failed", "timed_out") and now, f"{run.path} to end")
    )


def job_of(run: RunDir) -> str:
    return str(run.jobs[-1]["job"])


def status(htr_exp: CommandLine, *words: str) -> dict[str, Any]:
    (row,) = htr_exp("status", "--json", *words).json
    return dict(row)


def submitted(done: Done, htr_exp: CommandLine) -> RunDir:
    assert done.code == 0, done.stderr
    (run,) = htr_exp.runs
    return run


def test_a_submitted_run_is_queued_then_running_then_done(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(epoch_seconds=1)
    sent = htr_exp.train(*HELD, "--json")
    run = submitted(sent, htr_exp)
    job = job_of(run)
    assert (sent.json["run"], sent.json["state"], sent.json["jobs"]) == (str(run.path), "queued", [job])
    assert not scenario.calls("compile")
    row = status(htr_exp)
    assert (row["state"], row["reason"]) == ("queued", f"is held: `scontrol release {job}` lets it begin")

    cluster.run("scontrol", "release", job)
    until(lambda: run.epochs(), "the first epoch")
    row = status(htr_exp)
    assert (row["state"], row["job"]) == ("running", job)
    assert row["node"] in ("gpu1", "gpu2", "gpu3")

    assert ended(run) == "done"
    assert cluster.wait_for(job, "COMPLETED")
    row = status(htr_exp)
    assert (row["state"], row["jobs"], row["restarts"]) == ("done", [job], 0)
    assert row["test_cer"] < 0.5
    again = htr_exp.train("slurm=publicgpu", "--json")
    assert (again.code, again.json["state"], again.json["jobs"]) == (0, "done", [job])


def test_a_run_that_fails_fails_as_a_job_too_and_a_mail_is_sent(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(fail="train", message="torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
    run = submitted(htr_exp.train("slurm=publicgpu", "slurm.mail_user=scholar@example.org"), htr_exp)
    assert ended(run) == "failed"
    job = job_of(run)
    assert cluster.wait_for(job, "FAILED", "COMPLETED") == "FAILED"
    row = status(htr_exp)
    assert row["state"] == "failed"
    assert "the GPU's memory is full: train with half of training.batch_size" in row["reason"]
    assert [account["ExitCode"] for account in cluster.sacct(job) if account["JobID"] == job] == ["1:0"]
    mails = until(
        lambda: [line for line in cluster.mails() if f"Job_id={job} " in line and "Failed" in line], "the mail"
    )
    assert "| scholar@example.org |" in mails[0]


def test_what_was_submitted_runs_whatever_is_edited_while_it_waits(
    htr_exp: CommandLine, cluster: Cluster, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    for name in ("htr_exp", "hydra_plugins", "conf"):
        shutil.copytree(REPOSITORY / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    mine = workspace / "conf" / "training" / "mine.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("# Short.\ndefaults: [recognition]\nquit: fixed\nepochs: 2\n")
    words = [word for word in htr_exp.words if not word.startswith(("training.quit", "training.epochs"))]
    run = submitted(htr_exp("train", *words, "training=mine", *HELD), htr_exp)
    before = run.facts()["code"]["digest"]

    for file in ("job", "node", "launch", "recognition"):
        (checkout / "htr_exp" / f"{file}.py").write_text("raise SystemExit('edited while it waited')\n")
    (checkout / "conf" / "scores").rename(checkout / "conf" / "gone")
    mine.write_text("# Long.\ndefaults: [recognition]\nquit: fixed\nepochs: 5\n")
    cluster.run("scontrol", "release", job_of(run))
    assert ended(run) == "done", run.state().reason
    assert {start["code"] for start in read_jsonl(run.starts) if "code" in start} == {before}
    assert len(run.epochs()) == 2


def test_two_that_submit_the_same_run_at_once_get_one_job(htr_exp: CommandLine, cluster: Cluster) -> None:
    words = htr_exp.training(*HELD, "--json")
    sent = [htr_exp.end(process) for process in [htr_exp.start(*words), htr_exp.start(*words)]]
    assert [done.code for done in sent] == [0, 0], [done.stderr for done in sent]
    (run,) = htr_exp.runs
    assert [done.json["jobs"] for done in sent] == [[job_of(run)]] * 2
    assert cluster.jobs() == [job_of(run)]


def test_a_run_that_was_moved_while_its_job_waited_goes_on_from_its_new_place(
    htr_exp: CommandLine, cluster: Cluster
) -> None:
    run = submitted(htr_exp.train(*HELD), htr_exp)
    job = job_of(run)
    moved = RunDir(run.path.rename(run.path.with_name("renamed")))
    cluster.run("scontrol", "release", job)
    assert cluster.wait_for(job, "FAILED", "COMPLETED") == "FAILED"
    assert (
        f"{run.path}: the run folder is gone: moved, renamed or deleted since it was submitted"
        in htr_exp("logs", "renamed").stdout
    )
    row = status(htr_exp)
    assert (row["run"], row["state"]) == ("renamed", "failed")
    assert "resume" in row["reason"]
    done = htr_exp("resume", "renamed", "slurm.extra={}", "--json")
    assert done.code == 0, done.stderr
    assert ended(moved) == "done"
    assert len(moved.jobs) == 2


@pytest.fixture
def read_only_on(cluster: Cluster) -> Iterator[Callable[[str, Path], Callable[[], str]]]:
    """What makes a folder read-only for one node, and returns what undoes it."""
    undo: list[Callable[[], str]] = []

    def mount(node: str, folder: Path) -> Callable[[], str]:
        if (cluster.home / "etc" / "shared-name").exists():
            pytest.skip("this container allows no namespaces: its nodes have no view of their own")
        inside = ["nsenter", "-m", "-t", (cluster.home / "pid" / f"slurmd.{node}.pid").read_text().strip()]
        for options in (["--bind"], ["-o", "remount,bind,ro"]):
            cluster.run(*inside, "mount", *options, folder, folder)
        undo.append(partial(cluster.run, *inside, "umount", "-l", folder))
        return undo[0]

    yield mount
    for back in undo:
        with contextlib.suppress(AssertionError):  # it was undone before
            back()


def test_a_workspace_that_nodes_cannot_write_is_told_with_the_next_step(
    htr_exp: CommandLine, cluster: Cluster, workspace: Path, read_only_on: Callable[[str, Path], Callable[[], str]]
) -> None:
    run = submitted(htr_exp.train(*HELD, "slurm.nodelist=gpu2"), htr_exp)
    job = job_of(run)
    undo = read_only_on("gpu2", workspace)
    cluster.run("scontrol", "release", job)
    cluster.wait_for(job, "FAILED", "COMPLETED", "REQUEUE_HOLD")
    row = status(htr_exp)
    assert row["state"] == "failed"
    assert row["reason"] == (
        f"its job {job} could not write its output on gpu2: the node does not see the workspace, may not write it, or the run "
        "folder was moved; then `resume RUN`"
    )
    undo()
    done = htr_exp("resume", run.name, "slurm.extra={}", "--json")
    assert done.code == 0, done.stderr
    assert ended(run) == "done"


def other_conf(cluster: Cluster, folder: Path, old: str, new: str) -> str:
    """A copy of the cluster's slurm.conf with one setting changed, for SLURM_CONF."""
    lines = Path("/etc/slurm/slurm.conf").read_text().splitlines()
    changed = [new if line.startswith(f"{old}=") else line for line in lines if line != new]
    assert changed != lines
    folder.mkdir()
    for name in ("gres.conf", "cgroup.conf"):
        shutil.copy(Path("/etc/slurm") / name, folder / name)
    # a controller that is not there is given up after a second
    (folder / "slurm.conf").write_text("\n".join([*changed, "MessageTimeout=1"]) + "\n")
    return str(folder / "slurm.conf")


def test_where_slurm_does_not_answer_the_folders_do(
    htr_exp: CommandLine, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submitted(htr_exp.train(*HELD), htr_exp)
    monkeypatch.setenv("SLURM_CONF", other_conf(cluster, tmp_path / "silent", "SlurmctldPort", "SlurmctldPort=1"))
    said = htr_exp("status", "--json")
    assert (said.code, said.json[0]["state"], said.json[0]["job"]) == (0, "queued", job_of(run))
    assert "note: Slurm does not answer (squeue: " in said.stderr
    assert "this is what the run folders say" in said.stderr

    refused = htr_exp.train(*HELD, "seed=2")
    assert refused.code == 2
    assert "slurm=publicgpu: " in refused.stderr
    assert "try again when Slurm answers, or run here with slurm=none" in refused.stderr
    assert [one.path for one in htr_exp.runs] == [run.path]

    monkeypatch.setenv(
        "SLURM_CONF",
        other_conf(
            cluster, tmp_path / "no-accounts", "AccountingStorageType", "AccountingStorageType=accounting_storage/none"
        ),
    )
    cluster.scancel(job_of(run))
    cluster.wait_for(job_of(run), "CANCELLED")
    row = status(htr_exp)
    assert row["state"] == "cancelled"


REFUSED = {
    "slurm.partition=nope": "slurm.partition=nope: there is no such partition; choose one of grantgpu, public, publicgpu",
    "slurm.compile_partition=nope": "slurm.compile_partition=nope: there is no such partition; choose one of grantgpu, public, publicgpu",
    "slurm.time_min=9000": "slurm.time_min=9000: publicgpu allows 1440 minutes",
    "slurm.constraint=nope": "sbatch: allocation failure: Invalid feature specification: slurm.constraint=nope",
    "slurm.gres=gpu:9": "no node has slurm.gres=gpu:9",
    "slurm.gres=fpga:1": "slurm.gres=fpga:1",
    "slurm.mem_gb=900": "8 CPUs and 15.6 GB",
    "slurm.nodelist=nonode": "slurm.nodelist=nonode",
    "slurm.mail_type=XX": "sbatch: Invalid --mail-type specification: slurm.mail_type=XX is not as sbatch wants it",
    "slurm.extra.frobnicate=1": "slurm.extra.frobnicate: sbatch has no such option here",
}


@pytest.mark.parametrize("word", REFUSED)
def test_what_sbatch_refuses_is_said_in_its_words_and_in_ours(
    word: str, experiment: list[str], cluster: Cluster
) -> None:
    with pytest.raises(ConfigError) as refused:
        make_plan(compose_experiment([*experiment, "slurm=publicgpu", word]))
    (problem,) = sentences(refused.value)
    assert REFUSED[word] in problem


def test_the_script_of_a_dry_run_is_what_sbatch_gets(htr_exp: CommandLine, cluster: Cluster, tmp_path: Path) -> None:
    place = tmp_path / 'it\'s a "work" space'
    words = ["slurm=publicgpu", "slurm.extra.comment=for chapter 2", "slurm.nodelist=gpu2", "slurm.exclude=gpu3",
             "slurm.mail_user=null", f"site.workspace={place}"]  # fmt: skip
    dry = htr_exp.train(*words, "--dry-run", "--json")
    assert dry.code == 0, dry.stderr
    shown = htr_exp.train(*words, "--dry-run")
    assert not place.exists()
    sent = htr_exp.train(*words, "--json")
    assert sent.code == 0, sent.stderr
    run = RunDir(Path(sent.json["run"]))
    (job,) = sent.json["jobs"]
    (script,) = dry.json["sbatch"]
    assert (place / "cache" / "jobs" / f"{job}_submission.sh").read_text() == script
    assert script in shown.stdout
    fields = cluster.run("scontrol", "show", "job", job)
    for field in ("Comment=for chapter 2", "ReqNodeList=gpu2", "ExcNodeList=gpu3", "Features=gputc", "TimeLimit=05:00:00",
                  "NumCPUs=4", "Requeue=1"):  # fmt: skip
        assert field in fields
    assert ended(run) == "done"
    assert [start["node"] for start in read_jsonl(run.starts) if "node" in start] == ["gpu2"]


HEAVY = ("torch", "kraken", "coremltools", "mlflow", "lightning", "pyarrow")


def test_a_submission_imports_nothing_that_only_training_needs(htr_exp: CommandLine, cluster: Cluster) -> None:
    words = [word for word in htr_exp.training(*HELD) if word != "tracking=none"]
    code = (
        f"import sys\nfrom htr_exp.cli.main import main\ncode = main({words!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\nsys.exit(f'imports {{loaded}}' if loaded else code)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert cluster.jobs() == [job_of(htr_exp.runs[0])]


def test_a_kraken_that_only_the_node_has_is_found_there_and_its_version_is_looked_at(
    htr_exp: CommandLine, cluster: Cluster, fake_kraken: Path, tmp_path: Path
) -> None:
    there = tmp_path / "on the node" / "bin" / "ketos"
    sent = htr_exp.train(
        "-m", *HELD, f"runtime.ketos={there}", "runtime.kraken=7.1.0,7.1.1", "runtime.mixed_versions=true", "--json"
    )
    assert sent.code == 0, sent.stderr
    other, right = sorted(htr_exp.runs, key=lambda run: str(run.facts()["software"]["kraken"]))
    shutil.copytree(fake_kraken.parent, there.parent)
    cluster.run("scontrol", "release", right.jobs[-1]["compile_job"], job_of(right).partition("_")[0])
    assert (ended(other), ended(right)) == ("failed", "done")
    row = status(htr_exp, other.name)
    assert row["reason"] == f"runtime.kraken=7.1.0: {there} is kraken 7.1.1"
