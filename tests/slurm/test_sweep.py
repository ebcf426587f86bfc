"""Many runs given to Slurm at once: one array, after one job that compiles what they share."""

from __future__ import annotations

from pathlib import Path

from helpers.cluster import Cluster
from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario
from helpers.waiting import until
from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir

TWELVE = "seed=range(1,13)"


def all_ended(runs: list[RunDir]) -> list[str]:
    """Wait until no run is under way, and return their states."""

    def states() -> list[RunState] | None:
        found = [run.state().state for run in runs]
        return None if {"queued", "running", "interrupted"} & set(found) else found

    return list(until(states, "all runs to end"))


def masters(runs: list[RunDir]) -> set[str]:
    return {str(run.jobs[-1]["job"]).partition("_")[0] for run in runs}


def most_at_once(cluster: Cluster, master: str) -> int:
    """How many tasks of an array ran at the same time, by the accounts: a start counts after an end of the same second."""
    rows = [row for row in cluster.sacct(master) if "." not in row["JobID"]]
    moments = sorted([(row["Start"], 1) for row in rows] + [(row["End"], -1) for row in rows])
    now, most = 0, 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


def test_a_sweep_is_one_array_that_compiles_once_and_only_what_failed_is_submitted_again(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(fail="train", only="7", message="RuntimeError: no such luck")  # kraken's -s 7
    words = ("-m", "slurm=publicgpu", "slurm.compile_partition=public", "slurm.mail_type='END,FAIL,ARRAY_TASKS'",
             "slurm.mail_user=scholar@example.org", TWELVE)  # fmt: skip
    sent = htr_exp.train(*words, "--json")
    assert sent.code == 0, sent.stderr
    runs = htr_exp.runs
    assert len(sent.json) == len(runs) == 12
    (master,) = masters(runs)
    (compiles,) = {run.jobs[-1]["compile_job"] for run in runs}
    states = all_ended(runs)
    assert sorted(states) == ["done"] * 11 + ["failed"]
    assert len(scenario.calls("compile")) == 3

    ranked = htr_exp("compare", "--json").json
    done = [row for row in ranked if row["state"] == "done"]
    assert len(done) == 11
    assert [row["val_cer"] for row in done] == sorted(row["val_cer"] for row in done)
    (failed,) = (row for row in htr_exp("status", "--json").json if row["state"] == "failed")
    assert "no such luck" in failed["reason"]
    job = failed["jobs"][-1]
    assert cluster.wait_for(job, "FAILED", "COMPLETED") == "FAILED"
    (account,) = (row for row in cluster.sacct(compiles) if row["JobID"] == compiles)
    assert (account["State"], account["Partition"], account["NodeList"]) == ("COMPLETED", "public", "cpu1")
    mails = [line for line in cluster.mails() if "Failed" in line]
    assert [line for line in mails if f"Array_Job_id={master}" in line or f"Job_id={master}" in line], cluster.mails()
    assert 1 < most_at_once(cluster, master) <= 3

    scenario.play()
    again = htr_exp.train(*words, "--json")
    assert again.code == 0, again.stderr
    (run,) = (run for run in runs if len(run.jobs) == 2)
    assert str(run.path) == failed["folder"]
    assert run.jobs[-1]["compile_job"] is None
    assert all_ended(runs) == ["done"] * 12
    assert len(scenario.calls("compile")) == 3


def test_data_that_cannot_be_compiled_fails_every_run_with_that_reason(
    htr_exp: CommandLine, cluster: Cluster, scenario: Scenario
) -> None:
    scenario.play(fail="compile", message="ValueError: broken page")
    sent = htr_exp.train("-m", "slurm=publicgpu", "slurm.compile_partition=public", TWELVE, "--json")
    assert sent.code == 0, sent.stderr
    assert all_ended(htr_exp.runs) == ["failed"] * 12
    rows = htr_exp("status", "--json").json
    assert [row["state"] for row in rows] == ["failed"] * 12
    assert all("ValueError: broken page" in row["reason"] for row in rows)
    assert len(scenario.calls("compile")) == 1
    assert not scenario.calls("train")
    cluster.wait(lambda: not cluster.jobs(), "no job to be left pending")


def test_one_dataset_that_cannot_be_compiled_does_not_end_the_others(
    htr_exp: CommandLine, cluster: Cluster, pages: Path, tmp_path: Path
) -> None:
    words = ["-m", "slurm=publicgpu", "slurm.compile_partition=public", "slurm.array_parallelism=1", "slurm.extra.hold=true",
             "split.validation=0.17,0.34", "--json"]  # fmt: skip
    sent = htr_exp.train(*words)
    assert sent.code == 0, sent.stderr
    first, second = (RunDir(Path(row["run"])) for row in sent.json)
    record = first.jobs[-1]
    places = first.places.read_text()
    first.places.write_text(places.replace('.xml"', '.xml.gone"'))
    cluster.run("scontrol", "release", record["compile_job"], record["job"].partition("_")[0])
    assert all_ended([first, second]) == ["failed", "done"]
    assert most_at_once(cluster, record["job"].partition("_")[0]) == 1
