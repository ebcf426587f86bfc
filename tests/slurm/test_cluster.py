"""The cluster itself: what the other tests here rely on."""

from __future__ import annotations

import json
import subprocess

import pytest

from helpers.cluster import SCRIPTS, Cluster

NODES = {"gpu1", "gpu2", "gpu3", "cpu1"}
GPU = ("--partition=publicgpu", "--nodelist=gpu2", "--gres=gpu:1")
TRAP = """
echo started ${SLURM_RESTART_COUNT:-0}
trap 'echo signalled' USR2
trap 'echo terminated' TERM
for _ in $(seq 600); do sleep 0.1; done
"""


def test_all_nodes_are_up(cluster: Cluster) -> None:
    rows = [line.split() for line in cluster.run("sinfo", "-h", "-N", "-o", "%N %T").splitlines()]
    assert {node for node, _ in rows} == NODES
    assert {state for _, state in rows} <= {"idle", "mixed", "allocated", "completing"}


def test_a_job_on_a_gpu_node_sees_one_gpu_and_the_nodes_own_name(cluster: Cluster) -> None:
    job = cluster.submit('echo "$CUDA_VISIBLE_DEVICES $SLURMD_NODENAME $(hostname)"', *GPU)
    cluster.wait_for(job, "COMPLETED")
    gpu, node, host = cluster.output(job).split()
    assert (gpu, node) == ("0", "gpu2")
    assert host == node or (cluster.home / "etc" / "shared-name").exists()


def test_the_accounts_know_how_a_job_ended(cluster: Cluster) -> None:
    job = cluster.submit("exit 3")
    assert cluster.wait_for(job, "FAILED", "COMPLETED") == "FAILED"
    assert next((row["JobID"], row["State"], row["ExitCode"]) for row in cluster.sacct(job)) == (job, "FAILED", "3:0")


def test_a_failing_job_sends_a_mail(cluster: Cluster) -> None:
    job = cluster.submit("exit 3", "--mail-type=END,FAIL", "--mail-user=scholar@example.org")
    mail = cluster.wait(lambda: [line for line in cluster.mails() if f"Job_id={job} " in line], "the mail")
    assert "| scholar@example.org |" in mail[0]
    assert "Failed" in mail[0]


@pytest.mark.parametrize(("usersig", "signalled"), [(True, ["signalled"]), (False, [])])
def test_a_preempted_job_is_signalled_as_switched_and_runs_again(
    cluster: Cluster, usersig: bool, signalled: list[str]
) -> None:
    cluster.signals(usersig=usersig, grace=2)
    job = cluster.submit(TRAP, *GPU, "--requeue", "--open-mode=append", "--signal=B:USR2@90", "--time=60")
    cluster.wait(lambda: "started 0" in cluster.output(job), "the job to start")
    cluster.preempt("gpu2", seconds=1)
    cluster.wait(lambda: "started 1" in cluster.output(job), "the job to start again")
    before = cluster.output(job).splitlines()
    before = before[: before.index("started 1")]
    assert [line for line in before if line == "signalled"] == signalled
    assert "terminated" in before
    assert [row["State"] for row in cluster.sacct(job) if row["JobID"] == job] == ["PREEMPTED", "RUNNING"]


def test_a_job_whose_node_dies_runs_again_when_it_is_back(cluster: Cluster) -> None:
    job = cluster.submit("echo started; sleep 600", *GPU, "--requeue", "--open-mode=append")
    cluster.wait(lambda: "started" in cluster.output(job), "the job to start")
    cluster.kill_node("gpu2")
    cluster.wait_for(job, "PENDING")
    cluster.start_node("gpu2")
    cluster.wait(lambda: cluster.output(job).count("started") == 2, "the job to start again")
    assert [row["State"] for row in cluster.sacct(job) if row["JobID"] == job] == ["NODE_FAIL", "RUNNING"]


def test_nothing_of_the_cluster_listens_beyond_this_machine(cluster: Cluster) -> None:
    if (cluster.home / "etc" / "shared-name").exists():
        pytest.skip("this container allows no namespaces: the daemons listen at the address of its own name")
    rows = [line for line in cluster.run("ss", "-ltnpH").splitlines() if '"slurm' in line or '"mariadbd"' in line]
    assert len(rows) >= 7
    assert {row.split()[3].rpartition(":")[0] for row in rows} == {"127.0.0.1"}


def test_an_unknown_setting_is_refused_in_plain_words(cluster: Cluster) -> None:
    done = subprocess.run(
        [str(SCRIPTS / "start")],
        env=cluster.variables | {"HTR_EXP_CLUSTER_GRACE": "ten"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "error: HTR_EXP_CLUSTER_GRACE=ten: give a whole number\n")


def test_starting_a_running_cluster_changes_nothing(cluster: Cluster) -> None:
    def daemons() -> str:
        return json.dumps(
            {path.name: path.read_text() for path in (cluster.home / "pid").glob("*.pid")}, sort_keys=True
        )

    before = daemons()
    cluster.run(SCRIPTS / "start")
    assert daemons() == before
