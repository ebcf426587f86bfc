"""The doctor on a cluster: what it says of Slurm is what Slurm then does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.cluster import SCRIPTS, Cluster
from helpers.command_line import CommandLine, Done

Row = dict[str, Any]
Ask = Callable[..., Done]


@pytest.fixture
def ask(htr_exp: CommandLine, fake_kraken: Path) -> Ask:
    """Ask the doctor, whose kraken is a quick one that plays."""
    return lambda *words: htr_exp("doctor", f"runtime.ketos={fake_kraken}", *words, "--json")


def of_slurm(said: Done) -> dict[str, Row]:
    return {row["name"]: row for row in said.json if row["section"] == "Slurm"}


def test_a_cluster_that_answers_is_described(ask: Ask, cluster: Cluster) -> None:
    rows = of_slurm(ask())
    assert {row["state"] for row in rows.values()} == {"ok"}
    assert "cluster htr_exp" in rows["controller"]["found"]
    assert "jobs of up to 24 hours on 3 nodes" in rows["partition publicgpu"]["found"]
    assert "gres gpu:1; features gputc" in rows["partition publicgpu"]["found"]
    assert "jobs without limit" in rows["partition grantgpu"]["found"]
    assert "sacct remembers" in rows["accounting"]["found"]


@pytest.mark.parametrize(("usersig", "grace", "words"), [(True, 10, "is told at once, has 15 s"), (False, 0, "has 5 s to write its state, which may be too few")])  # fmt: skip
def test_preemption_is_told_as_it_is_set(ask: Ask, cluster: Cluster, usersig: bool, grace: int, words: str) -> None:
    cluster.signals(usersig=usersig, grace=grace)
    found = of_slurm(ask("slurm=publicgpu"))["preemption"]["found"]
    assert "a run in partition publicgpu may be pushed aside by a job of partition grantgpu" in found
    assert words in found
    assert "back into the queue" in found
    found = of_slurm(ask("slurm=grantgpu"))["preemption"]["found"]
    assert found == "no run in partition grantgpu is pushed aside by another"


def test_what_is_asked_for_is_tried(ask: Ask, cluster: Cluster) -> None:
    good = ask("slurm=publicgpu")
    assert of_slurm(good)["slurm=publicgpu"]["found"].startswith("sbatch takes it: publicgpu, 300 minutes")
    for words, told in (
        (("slurm.gres=gpu:7",), "no node has slurm.gres=gpu:7"),
        (("slurm.partition=nope",), "there is no such partition"),
        (("slurm.time_min=9000",), "allows 1440 minutes"),
    ):
        said = ask("slurm=publicgpu", *words)
        assert said.code == 2
        row = of_slurm(said)["slurm=publicgpu"]
        assert (row["state"], bool(row["remedy"])) == ("error", True)
        assert told in row["found"]
    assert not cluster.jobs()


def test_nodes_out_of_service_are_told(ask: Ask, cluster: Cluster) -> None:
    cluster.run("scontrol", "update", "nodename=gpu2", "state=drain", "reason=test")
    try:
        rows = of_slurm(ask("slurm=publicgpu"))
        assert "1 of its 3 nodes out of service" in rows["partition publicgpu"]["found"]
        cluster.run("scontrol", "update", "nodename=gpu[1,3]", "state=drain", "reason=test")
        said = ask("slurm=publicgpu")
        row = of_slurm(said)["partition publicgpu"]
        assert row["state"] == "warning"
        assert "all of its nodes out of service" in row["found"]
        row = of_slurm(said)["slurm=publicgpu"]  # sbatch's test says no, sbatch itself yes
        assert (said.code, row["state"]) == (0, "warning")
        assert "gpu1 is drained, gpu2 is drained and gpu3 is drained" in row["found"]
    finally:
        cluster.run("scontrol", "update", "nodename=gpu[1-3]", "state=resume")


def test_a_cluster_without_accounting_is_no_fault(ask: Ask, cluster: Cluster) -> None:
    cluster.switched = True
    cluster.run(SCRIPTS / "start", HTR_EXP_CLUSTER_ACCOUNTING="0")
    row = of_slurm(ask())["accounting"]
    assert row["state"] == "note"
    assert "known for 10 minutes only" in row["found"]


def test_a_controller_that_hangs_is_given_up(ask: Ask, cluster: Cluster) -> None:
    pid = (cluster.home / "pid" / "slurmctld.pid").read_text().strip()
    cluster.run("kill", "-STOP", pid)
    try:
        said = ask("slurm=publicgpu")
    finally:
        cluster.run("kill", "-CONT", pid)
    row = of_slurm(said)["controller"]
    assert (said.code, row["state"]) == (2, "error")
    assert "does not answer" in row["found"]


def test_on_a_node_it_looks_at_the_node(cluster: Cluster, workspace: Path, fake_kraken: Path) -> None:
    command = f"'{sys.executable}' -m htr_exp doctor slurm=publicgpu runtime.ketos={fake_kraken} --json"
    asked = ("--partition=publicgpu", "--gres=gpu:1", "--nodelist=gpu2", "--mem=4G")
    job = cluster.submit(f"cd '{workspace}' && {command}", *asked)
    cluster.wait_for(job, "COMPLETED", "FAILED")
    rows = {row["name"]: row for row in Done(0, cluster.output(job), "").json}
    assert rows["job"]["found"] == f"this is node gpu2, in job {job}"
