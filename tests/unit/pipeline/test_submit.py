from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from omegaconf import OmegaConf

from fakes.fake_sbatch import Sbatch, put_on_path
from fakes.fake_slurm_site import Site, site
from helpers.fake_kraken import Scenario
from helpers.folders import SLURM_DATA
from helpers.in_process import Call, in_process
from htr_exp.config.compose import compose_experiment
from htr_exp.config.rules import job_problems
from htr_exp.config.schema import Experiment
from htr_exp.core.run_state import RunState
from htr_exp.pipeline.sources import Sources
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in

ONE = ["slurm=publicgpu"]


@pytest.fixture
def cluster(tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    found = site(tmp_path, monkeypatch)
    found.says("sinfo", (SLURM_DATA / "sinfo.txt").read_text())
    return found


@pytest.fixture
def programs(cluster: Site, monkeypatch: pytest.MonkeyPatch) -> Sbatch:
    return put_on_path(cluster.file.parent / "bin", monkeypatch)


@pytest.fixture
def call(experiment: list[str], capsys: pytest.CaptureFixture[str], programs: Sbatch) -> Call:
    """Train the small experiment, with changes, from the command line but in this process."""

    run = in_process(capsys)
    return lambda *changes, verb="train": run(verb, *(experiment if verb == "train" else []), *changes)


@pytest.fixture
def runs(workspace: Path) -> Callable[[], list[RunDir]]:
    return lambda: runs_in(workspace / "runs")


Runs = Callable[[], list[RunDir]]


def option(script: str, name: str) -> str | None:
    """What a script says for an option of sbatch."""
    return next((line.split("=", 1)[-1] for line in script.splitlines() if line.startswith(f"#SBATCH --{name}")), None)


def waiting(cluster: Site, *jobs: str) -> None:
    cluster.queue(*({"JobArrayID": job, "State": "PENDING", "Reason": "Priority"} for job in jobs))


def test_a_submission_is_recorded_in_the_run(call: Call, runs: Runs, workspace: Path, cluster: Site) -> None:
    waiting(cluster, "101")
    said = call(*ONE, "--json")
    assert (said.code, said.json["state"]) == (0, "queued")
    (run,) = runs()
    (record,) = run.jobs
    assert (record["job"], record["compile_job"], record["packed"]) == ("101", None, 1)
    assert record["log"] == str(workspace / "cache" / "jobs" / "101_0_log.out")
    assert record["slurm"]["partition"] == "publicgpu"
    assert record["slurm"]["mem_gb"] == 8
    assert run.state().state == "queued"


def test_the_code_is_kept_once_by_its_content(call: Call, runs: Runs, workspace: Path, programs: Sbatch) -> None:
    call(*ONE)
    call(*ONE, "seed=2")
    (folder,) = (workspace / "cache" / "code").iterdir()
    assert (folder / "htr_exp" / "pipeline" / "slurm_job.py").exists()
    assert all(
        f"export PYTHONPATH={folder}$" in script.replace("{PYTHONPATH", "").replace("${", "$")
        for script in programs.scripts
    )


def test_a_sweep_is_one_array_after_one_job_that_compiles(call: Call, runs: Runs, programs: Sbatch) -> None:
    assert call("-m", *ONE, "seed=1,2,3", "slurm.array_parallelism=2").code == 0
    compiling, array = programs.scripts
    assert (option(compiling, "array"), option(array, "array")) == (None, "0-2%2")
    assert option(array, "dependency") == "afterok:101"
    assert {(run.jobs[0]["job"], run.jobs[0]["compile_job"]) for run in runs()} == {
        (f"102_{task}", "101") for task in range(3)
    }


def test_data_is_compiled_where_the_user_says_without_a_gpu(call: Call, programs: Sbatch) -> None:
    call("-m", *ONE, "seed=1,2", "slurm.compile_partition=public")
    compiling, array = programs.scripts
    assert [option(compiling, name) for name in ("partition", "gres", "constraint")] == ["public", None, None]
    assert [option(array, name) for name in ("partition", "gres", "constraint")] == ["publicgpu", "gpu:1", "gputc"]


def test_data_that_is_compiled_already_needs_no_job(call: Call, programs: Sbatch) -> None:
    assert call().code == 0
    assert call("-m", *ONE, "seed=2,3").code == 0
    (array,) = programs.scripts
    assert (option(array, "array"), option(array, "dependency")) == ("0-1%2", None)


def test_a_run_alone_compiles_for_itself_unless_another_partition_is_named(call: Call, programs: Sbatch) -> None:
    call(*ONE)
    call(*ONE, "seed=2", "slurm.compile_partition=public")
    assert [option(script, "partition") for script in programs.scripts] == ["publicgpu", "public", "publicgpu"]


def test_several_runs_share_a_job_and_what_they_ask_for(call: Call, runs: Runs, programs: Sbatch) -> None:
    call()
    call("-m", *ONE, "seed=2,3,4,5", "slurm.runs_per_gpu=2")
    (array,) = programs.scripts
    assert [option(array, name) for name in ("array", "cpus-per-task", "mem", "gres")] == [
        "0-1%2",
        "8",
        "16384M",
        "gpu:1",
    ]
    records = [run.jobs[0] for run in runs() if run.jobs]
    assert sorted(record["job"] for record in records) == ["101_0", "101_0", "101_1", "101_1"]
    assert {record["packed"] for record in records} == {2}


def test_runs_that_ask_for_different_things_are_different_jobs(call: Call, programs: Sbatch) -> None:
    call()
    call("-m", "seed=2,3", "slurm=publicgpu,grantgpu")
    assert [(option(script, "partition"), option(script, "array")) for script in programs.scripts] == [
        ("publicgpu", "0-1%2"),
        ("grantgpu", "0-1%2"),
    ]


def test_what_waits_or_is_done_is_not_submitted_again(call: Call, runs: Runs, programs: Sbatch, cluster: Site) -> None:
    call()  # seed=1 is done
    call(*ONE, "seed=2")
    waiting(cluster, "101", "102")
    said = call("-m", *ONE, "seed=1,2,3", "--json")
    assert said.code == 0
    assert sorted(row["state"] for row in said.json) == ["done", "queued", "queued"]
    assert len(programs.scripts) == 2
    assert sorted(record["job"] for run in runs() for record in run.jobs) == ["101", "102"]


@pytest.mark.parametrize("state", ["failed", "timed_out", "interrupted", "cancelled"])
def test_what_ended_before_it_was_done_is_submitted_again(call: Call, runs: Runs, programs: Sbatch, state: str) -> None:
    call(*ONE)
    (run,) = runs()
    run.cancel("somebody") if state == "cancelled" else run.write_state(RunState(state), reason="x")
    assert call(*ONE).code == 0
    assert [record["job"] for record in run.jobs] == ["101", "102"]
    assert (run.state().state, run.cancelled()) == ("queued", None)


def test_a_refusal_leaves_the_runs_unsubmitted_and_names_the_key(
    call: Call, runs: Runs, programs: Sbatch, cluster: Site
) -> None:
    programs.answers(refuse={102: "Batch job submission failed: Invalid qos specification"})
    said = call("-m", *ONE, "seed=1,2", "slurm.qos=fast")
    assert said.code == 2
    assert "Slurm did not take the runs:" in said.err
    assert said.err.count("Invalid qos specification") == 1
    assert "slurm.qos=fast: not a QOS of yours" in said.err
    assert [record["argv"] for record in cluster.calls("scancel")] == [["101"]]
    for run in runs():
        assert run.jobs == []
        assert run.state().state == "interrupted"
        assert "not submitted: sbatch: Batch job submission failed" in str(run.state().reason)
    programs.answers()
    assert call("-m", *ONE, "seed=1,2", "slurm.qos=fast").code == 0
    assert {run.state().state for run in runs()} == {"queued"}


def test_a_refusal_is_told_even_where_slurm_falls_silent(call: Call, programs: Sbatch, cluster: Site) -> None:
    programs.answers(refuse={102: "Batch job submission failed: Unable to contact slurm controller (connect failure)"})
    cluster.says("scancel", err="scancel: error: Unable to contact slurm controller (connect failure)\n", code=1)
    said = call("-m", *ONE, "seed=1,2")
    assert said.code == 2
    assert "Unable to contact slurm controller" in said.err


def test_a_dry_run_shows_what_sbatch_would_get(call: Call, runs: Runs, programs: Sbatch) -> None:
    words = ("-m", *ONE, "seed=1,2")
    dry = call(*words, "--dry-run", "--json")
    shown = dry.json["sbatch"]
    assert (runs(), programs.scripts) == ([], [])
    call(*words)
    assert [script.replace("NUMBER_OF_THE_JOB_ABOVE", "101") for script in shown] == programs.scripts


def test_a_waited_for_run_is_waited_for(call: Call, runs: Runs, cluster: Site, scenario: Scenario) -> None:
    cluster.queue({"JobArrayID": "101", "State": "COMPLETED", "EndTime": "2099-01-01T00:00:00"})
    said = call(*ONE, "launch.wait=true", "--json")
    (run,) = runs()
    assert said.json["state"] not in ("queued", "running")
    assert said.code in (0, 1)
    assert run.jobs


REFUSED = {
    ("slurm.partition=nope",): "slurm.partition=nope: there is no such partition; choose one of grantgpu, public, publicgpu",
    ("slurm.partition='publicgpu,nope'",): "slurm.partition=publicgpu,nope: there is no such partition",
    ("slurm.compile_partition=nope",): "slurm.compile_partition=nope: there is no such partition",
    ("slurm.time_min=9000",): "slurm.time_min=9000: publicgpu allows 1440 minutes",
    ("slurm.time_min=0",): "slurm.time_min=0: it must be at least 1",
    ("slurm.time_min=null",): "slurm.time_min is not set; give slurm.time_min=NUMBER",
    ("slurm.partition=null",): "slurm.partition is not set; give slurm.partition=NAME, as in `sinfo`",
    ("slurm.cpus_per_task=0",): "slurm.cpus_per_task=0: it must be at least 1",
    ("slurm.array_parallelism=0",): "slurm.array_parallelism=0: it must be at least 1",
    ("slurm.runs_per_gpu=0",): "slurm.runs_per_gpu=0: it must be at least 1",
    ("slurm.max_requeues=-1",): "slurm.max_requeues=-1: it must be at least 0",
    ("slurm.signal_delay_s=0",): "slurm.signal_delay_s=0: it must be at least 1",
    ("slurm.time_min=2", "slurm.signal_delay_s=120"): "slurm.signal_delay_s=120: it must be shorter than slurm.time_min=2",
    ("slurm.mem_gb=0",): "slurm.mem_gb=0.0: it must be above 0",
    ("training.workers=5",): "training.workers=5: a run gets 4 CPUs (slurm.cpus_per_task)",
    ("training.threads=5",): "training.threads=5: a run gets 4 CPUs (slurm.cpus_per_task)",
    ("slurm.gres=null", "training.device=cuda"): "training.device=cuda: the job asks for no GPU; give slurm.gres=gpu:1",
    ("launch.jobs=2",): "launch.jobs=2 changes nothing with slurm=publicgpu; use slurm.array_parallelism=2",
    ("slurm.nodelist='node[1-2]'",): "slurm.nodelist=node[1-2]: a job takes one node",
    ("slurm.nodelist='node1,node2'",): "slurm.nodelist=node1,node2: a job takes one node",
    ("slurm.extra.array=0-3",): "slurm.extra.array: htr_exp sets it itself; it cannot be given",
    ("slurm.extra.no_requeue=true",): "slurm.extra.no_requeue: htr_exp sets it itself",
    ("slurm.extra.mail_user=a",): "slurm.extra.mail_user has a key of its own; write slurm.mail_user=a",
}  # fmt: skip


@cache
def asks_for_a_gpu() -> Any:
    """A composed experiment, once for all tests."""
    return compose_experiment(["dataset=demo", "model=demo", *ONE]).experiment


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_a_job_cannot_ask_for_is_refused_as_typed(words: tuple[str, ...], programs: Sbatch) -> None:
    values = OmegaConf.structured(asks_for_a_gpu())
    for key, _, value in (word.partition("=") for word in words):
        OmegaConf.update(values, key, None if value == "null" else value.strip("'"))
    experiment = cast("Experiment", OmegaConf.to_object(values))
    (problem,) = dict.fromkeys(job_problems(experiment) + Sources().slurm_problems(experiment.slurm))
    assert REFUSED[words] in str(problem)


def test_all_that_a_job_cannot_ask_for_is_said_at_once(call: Call, runs: Runs) -> None:
    said = call(*ONE, "slurm.partition=nope", "slurm.mem_gb=0", "launch.jobs=2", "slurm.extra.array=0-3")
    assert said.code == 2
    assert len([line for line in said.err.splitlines() if line.startswith("  - slurm.") or "launch.jobs" in line]) == 4
    assert runs() == []


def test_a_template_needs_a_partition_and_a_time(call: Call) -> None:
    said = call("slurm=template")
    assert said.code == 2
    assert "slurm.partition" in said.err
    assert "slurm.time_min" in said.err
    assert call("slurm=template", "slurm.partition=public", "slurm.time_min=60").code == 0


def test_keys_of_slurm_change_nothing_here(call: Call) -> None:
    said = call("slurm.gres=gpu:1", "slurm.time_min=60")
    assert said.code == 2
    assert "slurm.gres=gpu:1 changes nothing with slurm=none; choose slurm=publicgpu" in said.err
    assert "slurm.time_min=60 changes nothing with slurm=none" in said.err


def test_a_nodelist_of_one_in_brackets_is_one_node(call: Call) -> None:
    assert call(*ONE, "slurm.nodelist='node[3]'").code == 0


def test_what_sbatchs_own_test_refuses_is_refused_before_anything_is_written(
    call: Call, runs: Runs, programs: Sbatch
) -> None:
    programs.answers(test="Invalid account or account/partition combination specified")
    said = call(*ONE, "slurm.account=acc")
    assert said.code == 2
    assert "slurm.account=acc slurm.partition=publicgpu: this account does not exist" in said.err
    assert (runs(), programs.scripts) == ([], [])


def test_the_shells_words_for_sbatch_are_not_used_and_named(
    call: Call, programs: Sbatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SBATCH_PARTITION", "SBATCH_EXPORT", "SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SLURM_CONF"):
        monkeypatch.setenv(name, "x")
    said = call(*ONE)
    assert said.code == 0
    assert "SBATCH_EXPORT and SBATCH_PARTITION of your shell: not used" in said.err
    assert [name for name in programs.environment if name.startswith(("SBATCH_", "SLURM_"))] == ["SLURM_CONF"]
    assert os.environ["SBATCH_PARTITION"] == "x"
    assert "export SLURM_EXPORT_ENV=ALL" in programs.scripts[0]


def test_nodes_out_of_service_are_waited_for(call: Call, programs: Sbatch, cluster: Site) -> None:
    programs.answers(test="allocation failure: Requested node configuration is not available")
    rows = "publicgpu|up|1-00:00:00|3|8|16000|gpu:1|gputc\n", "gpu1|publicgpu|drained\ngpu2|publicgpu|down*\n"
    cluster.says("sinfo", "".join(rows))
    said = call(*ONE)
    assert said.code == 0, said.err
    assert "gpu1 is drained and gpu2 is down" in said.err
    assert len(programs.scripts) == 1


def test_a_machine_without_sbatch_says_where_to_go(
    call: Call, programs: Sbatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/dev/null/nowhere")
    said = call(*ONE)
    assert said.code == 2
    assert (
        "slurm=publicgpu: there is no sbatch here; run this on the cluster's login node, or here with slurm=none"
        in said.err
    )


def test_a_silent_slurm_submits_nothing_and_says_so(call: Call, runs: Runs, cluster: Site) -> None:
    cluster.says("sinfo", err="slurm_load_partitions: Unable to contact slurm controller (connect failure)\n", code=1)
    said = call(*ONE)
    assert said.code == 2
    assert "slurm=publicgpu: sinfo: " in said.err
    assert "try again when Slurm answers, or run here with slurm=none" in said.err
    assert runs() == []


def test_points_of_a_sweep_ask_slurm_once(call: Call, cluster: Site) -> None:
    call("-m", *ONE, "seed=1,2,3", "--dry-run")
    assert [record["program"] for record in cluster.calls()] == ["sinfo"]


def test_resume_takes_other_settings_of_slurm(call: Call, runs: Runs, programs: Sbatch) -> None:
    call(*ONE)
    (run,) = runs()
    run.write_state(RunState.TIMED_OUT, reason="x")
    assert call(run.name, "slurm.time_min=9000", verb="resume").code == 2
    assert call(run.name, "slurm.time_min=600", verb="resume").code == 0
    assert [option(script, "time") for script in programs.scripts] == ["300", "600"]
    assert run.jobs[-1]["slurm"]["time_min"] == 600
