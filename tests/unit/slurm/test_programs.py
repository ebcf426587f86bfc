from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import Any

import pytest

from fakes.fake_slurm_site import Site, site, squeue_row
from helpers.folders import SLURM_DATA
from htr_exp.core import machine
from htr_exp.slurm import programs
from htr_exp.slurm.cluster import (
    Configuration,
    Partition,
    Preemption,
    configuration,
    node_states,
    partition_preemption,
    partitions,
    qos_preemption,
)
from htr_exp.slurm.energy import of_running_job
from htr_exp.slurm.jobs import Job, Outlook, _rows_of_queue, accounts, cancel, outlook, queue, requeue
from htr_exp.slurm.programs import SlurmSilent


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return site(tmp_path, monkeypatch)


@pytest.fixture
def recorded(cluster: Site) -> Site:
    for program in ("squeue", "sacct", "sinfo"):
        cluster.says(program, (SLURM_DATA / f"{program}.txt").read_text())
    return cluster


def test_recorded_queue_is_read(recorded: Site) -> None:
    jobs = queue()
    assert jobs["65"] == Job("65", "PENDING", reason="Resources", restarts=0)
    assert jobs["63"] == Job("63", "RUNNING", node="gpu1", left_s=59 * 60 + 56, restarts=0)
    assert jobs["39_3"].state == "COMPLETED"
    assert (jobs["39_3"].node, jobs["39_3"].exit_code, jobs["39_3"].ended_at) == ("gpu1", "0:0", "2026-11-23T20:34:08Z")
    assert (jobs["53"].exit_code, jobs["50"].exit_code) == ("3:0", "0:9")
    assert (jobs["4"].state, jobs["4"].reason, jobs["4"].ended) == ("CANCELLED", "DependencyNeverSatisfied", True)
    assert jobs["55"].restarts == 1


def test_the_queue_is_asked_once_for_all_of_one_user(recorded: Site) -> None:
    queue(["nobody-of-this-name", "root"])
    (call,) = recorded.calls()
    words = call["argv"]
    assert words[words.index("-u") + 1] == f"{os.getuid()},root"
    assert "all" in words
    assert "-r" in words


def test_ones_own_formats_do_not_change_what_is_read(recorded: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    monkeypatch.setenv("SACCT_FORMAT", "JobID")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    queue()
    (call,) = recorded.calls()
    assert call["env"] == {
        "TZ": "UTC", "LC_ALL": "C.UTF-8", "SQUEUE_FORMAT": None, "SACCT_FORMAT": None, "SLURM_TIME_FORMAT": "standard",
    }  # fmt: skip


def test_a_reason_may_hold_anything(cluster: Site) -> None:
    cluster.queue({"JobArrayID": "7", "Reason": "ReqNodeNotAvail, UnavailableNodes:gpu[1-3]|x"})
    assert queue()["7"].reason == "ReqNodeNotAvail, UnavailableNodes:gpu[1-3]|x"


def test_a_thousand_tasks_are_read() -> None:
    text = "".join(squeue_row(JobArrayID=f"5_{task}", Reason="Priority") for task in range(1000))
    assert len(list(_rows_of_queue(text))) == 1000


def test_recorded_accounts_are_read(recorded: Site) -> None:
    jobs = accounts(["1", "5_4", "5_5", "64"], "2026-11-23T20:25:20Z")
    assert (jobs["1"].state, jobs["1"].node, jobs["1"].ended_at) == ("TIMEOUT", "cpu1", "2026-11-23T20:26:20Z")
    assert (jobs["5_4"].state, jobs["5_4"].by) == ("CANCELLED", pwd.getpwuid(0).pw_name)
    assert (jobs["5_5"].state, jobs["5_5"].ended_at) == ("RUNNING", None)
    assert (jobs["6"].exit_code, jobs["13"].exit_code, jobs["14"].exit_code) == ("0:53", "9:0", "0:9")
    assert (jobs["3"].by, jobs["3"].node) == (None, None)
    assert not jobs["31"].ended
    assert jobs["64"].state == "PREEMPTED"
    (call,) = recorded.calls("sacct")
    assert call["argv"][-1] == "1,5,64"
    assert "2026-11-23T19:25:20" in call["argv"]


def test_waiting_tasks_of_an_array_are_told_apart(cluster: Site) -> None:
    cluster.accounts(
        "9_[4-6,8%2]|PENDING|0:0|2026-11-23T20:25:20|Unknown|None assigned",
        "9_3|COMPLETED|0:0|2026-11-23T20:25:20|Unknown|n",
    )
    jobs = accounts(["9_4"], "2026-11-23T20:25:20Z")
    assert {id: job.state for id, job in jobs.items()} == {
        "9_3": "COMPLETED", "9_4": "PENDING", "9_5": "PENDING", "9_6": "PENDING", "9_8": "PENDING",
    }  # fmt: skip


def test_of_two_records_the_newer_counts(cluster: Site) -> None:
    newer = "7|COMPLETED|0:0|2026-11-23T20:25:20|2026-11-23T20:26:20|n"
    older = "7|FAILED|1:0|2025-01-01T00:00:00|2025-01-01T00:00:09|n"
    for rows in ((newer, older), (older, newer)):
        cluster.accounts(*rows)
        assert accounts(["7"], "2026-11-23T20:25:20Z")["7"].state == "COMPLETED"


def test_nothing_is_asked_about_no_job(cluster: Site) -> None:
    assert accounts([], "2026-11-23T20:25:20Z") == {}
    assert cluster.calls() == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"err": "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n", "code": 1},
         "squeue: Unable to contact slurm controller (connect failure)"),
        ({"err": "squeue: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host\nsqueue: error: fetch_config: DNS SRV "
          "lookup failed\nsqueue: fatal: Could not establish a configuration source\n", "code": 1},
         "squeue: Could not establish a configuration source"),
        ({"code": 1}, "squeue: exit code 1"),
    ],
)  # fmt: skip
def test_a_queue_that_does_not_answer_says_why(cluster: Site, answer: dict[str, Any], words: str) -> None:
    cluster.says("squeue", **answer)
    with pytest.raises(SlurmSilent) as silent:
        queue()
    assert str(silent.value).replace("slurm_load_jobs error: ", "") == words


def test_an_answer_with_a_warning_is_an_answer(cluster: Site) -> None:
    cluster.says("squeue", squeue_row(JobArrayID="7"), err="squeue: warning: this cluster will be down on Monday\n")
    assert set(queue()) == {"7"}


def test_slow_programs_are_given_up(cluster: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "TIMEOUT_S", 0.2)
    cluster.says("squeue", sleep_s=20)
    with pytest.raises(SlurmSilent, match=r"squeue does not answer within 0\.2 s"):
        queue()


def test_a_machine_without_slurm_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmSilent, match="squeue is not on this machine"):
        queue()


@pytest.mark.parametrize("code", [0, 1])
def test_a_site_without_accounting_says_so(cluster: Site, code: int) -> None:
    cluster.says("sacct", err="Slurm accounting storage is disabled\n", code=code)
    with pytest.raises(SlurmSilent, match="sacct: Slurm accounting storage is disabled"):
        accounts(["1"], "2026-11-23T20:25:20Z")


def test_cancelling_what_has_ended_is_no_fault(cluster: Site) -> None:
    cluster.says("scancel", err="scancel: error: Kill job error on job id 12: Invalid job id specified\n", code=1)
    assert cancel(["12", "13_4"]) is None
    assert cluster.calls("scancel")[0]["argv"] == ["12", "13_4"]


def test_cancelling_what_is_anothers_is_told(cluster: Site) -> None:
    cluster.says("scancel", err="scancel: error: Kill job error on job id 12: Access/permission denied\n", code=1)
    assert cancel(["12"]) == "Kill job error on job id 12: Access/permission denied"


def test_cancelling_without_a_controller_is_told(cluster: Site) -> None:
    words = "scancel: error: Kill job error on job id 5: Unable to contact slurm controller (connect failure)\n"
    cluster.says("scancel", err=words, code=1)
    with pytest.raises(SlurmSilent, match="Unable to contact"):
        cancel(["5"])


def test_many_jobs_are_cancelled_in_several_calls(cluster: Site) -> None:
    cancel([str(number) for number in range(1200)])
    assert [len(call["argv"]) for call in cluster.calls("scancel")] == [500, 500, 200]


def test_a_requeue_that_is_refused_is_told(cluster: Site) -> None:
    assert requeue("12_3") is None
    assert cluster.calls("scontrol")[0]["argv"] == ["requeue", "12_3"]
    cluster.says("scontrol", err="Invalid job id specified for job 999999\n", code=1)
    assert requeue("999999") == "Invalid job id specified for job 999999"


OUTLOOKS = {  # recorded with Slurm 22.05, but for the last
    "runs": ("RUNNING             4:56                N/A                     ", Outlook(False, 296.0)),
    "without limit": ("RUNNING             UNLIMITED           N/A                     ", Outlook(False, None)),
    "is preempted": ("RUNNING             4:50                2026-11-30T00:22:02     ", Outlook(True, 290.0)),
    "is cancelled or requeued": (
        "COMPLETING          4:57                N/A                     ",
        Outlook(True, 297.0),
    ),
    "over its limit": ("RUNNING             INVALID             N/A                     ", Outlook(False, 0.0)),
}


@pytest.mark.parametrize("name", OUTLOOKS)
def test_slurm_says_what_it_means_to_do_with_a_job(cluster: Site, name: str) -> None:
    line, expected = OUTLOOKS[name]
    cluster.says("squeue", line + "\n")
    assert outlook("12") == expected
    assert cluster.calls("squeue")[0]["argv"][:3] == ["-h", "-j", "12"]


def test_a_job_that_slurm_does_not_know_has_no_outlook(cluster: Site) -> None:
    with pytest.raises(SlurmSilent, match="job 12 is not there"):
        outlook("12")


def test_recorded_partitions_are_read(recorded: Site) -> None:
    found = partitions()
    assert set(found) == {"public", "publicgpu", "grantgpu"}
    assert found["publicgpu"] == Partition("publicgpu", "up", 1440, 3, 8, 15.6, ("gputc",), ("gpu:1",))
    assert (found["public"].features, found["public"].gres, found["grantgpu"].max_time_min) == ((), (), None)


def test_a_partition_of_several_kinds_of_nodes_shows_the_largest(cluster: Site) -> None:
    cluster.says("sinfo", "p|up|30:00|2|8|16000|gpu:a100:2(S:0-1)|x,y\np|up|30:00|1|64+|256000|(null)|z\n")
    assert partitions()["p"] == Partition("p", "up", 30, 3, 64, 250.0, ("x", "y", "z"), ("gpu:a100:2",))


@pytest.mark.parametrize(
    ("text", "found"),
    [("1-02:03:04", 93784), ("02:03:04", 7384), ("3:04", 184), ("UNLIMITED", None), ("infinite", None), ("INVALID", None), ("", None)],
)  # fmt: skip
def test_times_are_read_as_slurm_writes_them(text: str, found: float | None) -> None:
    assert programs.seconds(text) == found


def test_a_process_outside_slurm_has_no_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert machine.allocation() is None


def test_a_task_of_an_array_knows_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"SLURM_JOB_ID": "15", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3", "SLURMD_NODENAME": "gpu1",
              "SLURM_RESTART_COUNT": "2", "SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "8"}  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert machine.allocation() == machine.Allocation("12_3", "15", "gpu1", 2, 4)


def test_a_job_with_few_variables_still_has_an_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_JOB_ID", "15")
    given = machine.allocation()
    assert given is not None
    assert (given.job, given.node, given.restarts) == ("15", None, 0)
    assert given.cpus >= 1


def configured(cluster: Site, **changes: str) -> str:
    """Let scontrol show the recorded configuration and partitions, changed: `GraceTime="0"`, `PreemptType="preempt/qos"`."""
    text = (SLURM_DATA / "scontrol_config.txt").read_text() + (SLURM_DATA / "scontrol_partitions.txt").read_text()
    for name, value in changes.items():
        text, count = re.subn(rf"(?m)(^{name}\s*= |\b{name}=)\S+", rf"\g<1>{value}", text)
        assert count, name
    cluster.says("scontrol", text)
    return text


NODES = "cpu1|public|idle\ngpu1|publicgpu|mixed\ngpu1|grantgpu|mixed\ngpu2|publicgpu|down*\ngpu2|grantgpu|down*\n"


def test_recorded_configuration_is_read(cluster: Site) -> None:
    configured(cluster)
    assert configuration() == Configuration(
        cluster="htr_exp", version="22.05.8", preempt_type="partition_prio", preempt_mode="REQUEUE", exempt_s=0.0, user_signal=True, kill_wait_s=5.0,
        requeues=True, accounts=True, forgets_after_s=600.0, max_array=1001,
    )  # fmt: skip
    assert cluster.calls("scontrol")[0]["argv"] == ["show", "config"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"AccountingStorageType": "accounting_storage/none"}, {"accounts": False}),
        ({"AccountingStorageType": "(null)"}, {"accounts": False}),  # newer versions
        ({"PreemptType": "(null)"}, {"preempt_type": "none"}),
        ({"PreemptType": "preempt/none"}, {"preempt_type": "none"}),
        ({"PreemptExemptTime": "00:30:00"}, {"exempt_s": 1800.0}),
        ({"SlurmctldParameters": "idle_on_node_suspend"}, {"user_signal": False}),
        ({"JobRequeue": "0"}, {"requeues": False}),
    ],
)
def test_what_administrators_may_set_is_read(cluster: Site, changes: dict[str, str], expected: dict[str, Any]) -> None:
    configured(cluster, **changes)
    found = configuration()
    assert {name: getattr(found, name) for name in expected} == expected


def test_the_signal_of_preemption_is_found_at_its_newer_place(cluster: Site) -> None:
    text = configured(cluster, SlurmctldParameters="(null)")
    assert not configuration().user_signal
    cluster.says("scontrol", text + "PreemptParameters       = send_user_signal,strict_order\n")
    assert configuration().user_signal


def test_partitions_of_higher_priority_with_the_same_nodes_preempt(cluster: Site) -> None:
    configured(cluster)
    cluster.says("sinfo", NODES)
    assert partition_preemption(node_states()) == {"publicgpu": Preemption(("grantgpu",), "REQUEUE", 10.0)}
    cluster.says("sinfo", "cpu1|public|idle\ngpu1|publicgpu|idle\ngpu9|grantgpu|idle\n")
    assert partition_preemption(node_states()) == {}


@pytest.mark.parametrize(
    ("mode", "kind"), [("CANCEL", "CANCEL"), ("GANG,SUSPEND", "SUSPEND"), ("WITHIN,REQUEUE", "REQUEUE"), ("OFF", None)]
)
def test_a_partition_says_what_becomes_of_its_jobs(cluster: Site, mode: str, kind: str | None) -> None:
    text = configured(cluster).replace("PreemptMode=REQUEUE State=UP", f"PreemptMode={mode} State=UP")
    cluster.says("scontrol", text)
    cluster.says("sinfo", NODES)
    assert {name: rule.mode for name, rule in partition_preemption(node_states()).items()} == (
        {"publicgpu": kind} if kind else {}
    )


def test_qos_say_whose_jobs_they_preempt(cluster: Site) -> None:
    cluster.says("sacctmgr", "normal||cluster|00:00:00\nfree||requeue|00:01:00\nbest||cluster|00:00:00\npaid|free,best|cluster|00:00:00\nurgent|free|cancel|00:00:00\n")  # fmt: skip
    assert qos_preemption("CANCEL") == {
        "free": Preemption(("paid", "urgent"), "REQUEUE", 60.0),
        "best": Preemption(("paid",), "CANCEL", 0.0),
    }


def test_nodes_are_told_with_their_states(cluster: Site) -> None:
    cluster.says("sinfo", NODES)
    assert node_states() == {
        "public": {"cpu1": "idle"}, "publicgpu": {"gpu1": "mixed", "gpu2": "down*"}, "grantgpu": {"gpu1": "mixed", "gpu2": "down*"},
    }  # fmt: skip


def test_a_controller_that_is_down_is_silent(cluster: Site) -> None:
    cluster.says(
        "scontrol", err="slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)\n", code=1
    )
    with pytest.raises(SlurmSilent, match="Unable to contact slurm controller"):
        configuration()


@pytest.mark.parametrize(
    ("said", "wh"),
    [("7200\n3600\n", 3.0), ("0\n0\n", None), ("", None), ("18446744073709551614\n", None), ("18446744073709551614\n3600\n", 1.0)],
)  # fmt: skip
def test_the_energy_of_a_job_is_that_of_its_steps_where_the_site_measures_it(
    said: str, wh: float | None, cluster: Site
) -> None:
    cluster.says("sstat", said)
    assert of_running_job("63") == wh


def test_the_energy_of_a_job_is_not_known_where_slurm_does_not_say(cluster: Site) -> None:
    assert of_running_job("63") is None
