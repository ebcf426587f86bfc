"""Slurm: its programs, partitions, preemption and accounts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fakes.fake_slurm_site import Site
from helpers.findings import NODES, composed, configured, named
from helpers.folders import SLURM_DATA
from htr_exp.cli.doctor import (
    cluster,
)
from htr_exp.cli.doctor.finding import Finding


def of_slurm(*words: str) -> dict[str, Finding]:
    return named(cluster.findings(composed(*words)))


def test_a_machine_without_slurm_is_one_note(workspace: Path, bare_path: Path) -> None:
    (found,) = of_slurm().values()
    assert (found.state, found.name) == ("note", "Slurm")
    (found,) = of_slurm("slurm=publicgpu").values()
    assert (found.state, found.name) == ("error", "slurm=publicgpu")
    assert "slurm=none" in str(found.remedy)


def test_programs_that_are_missing_are_told(slurm_site: Site, bare_path: Path, tmp_path: Path) -> None:
    for name in ("sbatch", "squeue", "sinfo", "scontrol", "scancel"):
        (bare_path / name).symlink_to(tmp_path / "slurm" / "bin" / name)
    assert of_slurm()["programs"].found == "sbatch is here, but not sacct"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"err": "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)\n", "code": 1}, "Unable to contact"),
        ({"sleep_s": 20}, "does not answer within 0.5 s"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("words", "state"), [((), "warning"), (("slurm=publicgpu",), "error")])
def test_a_controller_that_does_not_answer_ends_the_questions(
    answer: dict[str, Any], told: str, words: tuple[str, ...], state: str, slurm_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(cluster, "TIMEOUT_S", 0.5 if "sleep_s" in answer else 10)
    slurm_site.says("scontrol", **answer)
    (found,) = of_slurm(*words).values()
    assert (found.name, found.state) == ("controller", state)
    assert told in found.found
    assert slurm_site.calls("sinfo") == []


def test_programs_that_know_no_cluster_are_told_apart(slurm_site: Site) -> None:
    slurm_site.says("scontrol", err="scontrol: fatal: Could not establish a configuration source\n", code=1)
    (found,) = of_slurm().values()
    assert found.state == "note"
    assert "they know of no cluster" in found.found


def test_sinfo_that_fails_is_told(slurm_site: Site) -> None:
    slurm_site.says("sinfo", err="slurm_load_partitions: Socket timed out on send/recv operation\n", code=1)
    assert "Socket timed out" in of_slurm()["controller"].found


def test_a_cluster_is_described(slurm_site: Site) -> None:
    found = of_slurm()
    assert {one.state for one in found.values()} == {"ok"}
    assert found["controller"].found == "answers: Slurm 22.05.8, cluster htr_exp"
    assert found["partition publicgpu"].found == (
        "jobs of up to 24 hours on 3 nodes with at most 8 CPUs and 15.6 GB; gres gpu:1; features gputc"
    )
    assert found["partition public"].found == "jobs of up to 24 hours on 1 node with 48 CPUs and 46.9 GB"
    assert found["partition grantgpu"].found.startswith("jobs without limit")
    assert "up to 1000 jobs" in found["limits"].found
    assert "killed 5 s later" in found["limits"].found


def test_the_partition_of_the_choice_comes_first(slurm_site: Site) -> None:
    found = [name for name in of_slurm("slurm=publicgpu") if name.startswith("partition")]
    assert found == ["partition publicgpu", "partition grantgpu", "partition public"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(45, "45 s"), (60, "1 minute"), (90, "1.5 minutes"), (3600, "1 hour"), (86400, "24 hours"), (216000, "2.5 days")],
)
def test_a_time_limit_is_told_in_its_largest_unit(seconds: float, said: str) -> None:
    assert cluster._span(seconds) == said


def test_one_minute_on_one_cpu_is_told_as_one() -> None:
    asked = composed("slurm=publicgpu", "slurm.time_min=1", "slurm.cpus_per_task=1").slurm
    assert cluster._asked_for(asked).startswith("publicgpu, 1 minute, 1 CPU, ")


def test_what_is_asked_for_is_tried_and_nothing_submitted(slurm_site: Site) -> None:
    found = of_slurm("slurm=publicgpu")["slurm=publicgpu"]
    assert found.found == "sbatch takes it: publicgpu, 300 minutes, 4 CPUs, 8 GB, gpu:1, gputc"
    assert [call["argv"] for call in slurm_site.calls("sbatch")] == [["--test-only"]]


@pytest.mark.parametrize(
    ("words", "told", "remedy"),
    [
        (("slurm.partition=nope",), "slurm.partition=nope: there is no such partition", "choose one of grantgpu, public, publicgpu"),
        (("slurm.time_min=9000",), "slurm.time_min=9000: publicgpu allows 1440 minutes", "change it"),
        (("slurm.cpus_per_task=0",), "slurm.cpus_per_task=0: it must be at least 1", "change it"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_an_error(words: tuple[str, ...], told: str, remedy: str, slurm_site: Site) -> None:
    found = of_slurm("slurm=publicgpu", *words)["slurm=publicgpu"]
    assert (found.state, found.found) == ("error", told)
    assert str(found.remedy).startswith(remedy)


def test_what_sbatch_refuses_is_an_error_in_plain_words(slurm_site: Site) -> None:
    slurm_site.says("sbatch", err="sbatch: error: Invalid account or account/partition combination specified\n", code=1)
    found = of_slurm("slurm=publicgpu", "slurm.account=acc")["slurm=publicgpu"]
    assert found.state == "error"
    assert "slurm.account=acc slurm.partition=publicgpu: this account does not exist" in found.found


def test_a_partition_that_is_closed_or_without_nodes_is_a_warning_for_who_chose_it(slurm_site: Site) -> None:
    rows = (SLURM_DATA / "sinfo.txt").read_text()
    slurm_site.says("sinfo", rows.replace("publicgpu|up", "publicgpu|down") + NODES)
    found = of_slurm("slurm=publicgpu")["partition publicgpu"]
    assert (found.state, found.found[:30]) == ("warning", "is down, no job begins there: ")
    assert of_slurm("slurm=grantgpu")["partition publicgpu"].state == "note"
    slurm_site.says("sinfo", rows + re.sub(r"(gpu[23]\|\w+)\|idle", r"\1|drained", NODES))
    found = of_slurm("slurm=publicgpu")["partition publicgpu"]
    assert (found.state, found.found.endswith("2 of its 3 nodes out of service (2 drained)")) == ("ok", True)
    slurm_site.says("sinfo", rows + re.sub(r"(gpu\d\|\w+)\|idle", r"\1|down*", NODES))
    found = of_slurm("slurm=publicgpu")["partition publicgpu"]
    assert (found.state, found.found.endswith("all of its nodes out of service (3 down)")) == ("warning", True)


def test_what_preemption_means_for_a_run_is_told(slurm_site: Site) -> None:
    found = of_slurm("slurm=publicgpu")["preemption"]
    assert found.state == "ok"
    assert found.found == (
        "a run in partition publicgpu may be pushed aside by a job of partition grantgpu: it is told at once, has 15 s to write its "
        "state, and loses at most the epoch under way; Slurm puts it back into the queue, and it goes on from there by itself "
        "(PreemptMode=REQUEUE, GraceTime=10, KillWait=5, send_user_signal)"
    )
    assert of_slurm("slurm=grantgpu")["preemption"].found == "no run in partition grantgpu is pushed aside by another"


@pytest.mark.parametrize(
    ("words", "told"),
    [((), "at most training.lag=10"), (("training.quit=fixed",), "then it loses the epoch under way")],
)
def test_too_few_seconds_are_told_with_what_they_cost(words: tuple[str, ...], told: str, slurm_site: Site) -> None:
    text = (SLURM_DATA / "scontrol_config.txt").read_text().replace(",preempt_send_user_signal", "")
    slurm_site.says(
        "scontrol", text + (SLURM_DATA / "scontrol_partitions.txt").read_text().replace("GraceTime=10", "GraceTime=0")
    )
    found = of_slurm("slurm=publicgpu", *words)["preemption"].found
    assert "it has 5 s to write its state, which may be too few" in found
    assert told in found


@pytest.mark.parametrize(
    ("mode", "state", "told"),
    [
        ("CANCEL", "warning", "Slurm does not start it again"),
        ("GANG,SUSPEND", "ok", "stands still meanwhile and loses nothing"),
        ("OFF", "ok", "no run in partition publicgpu is pushed aside"),
    ],
)
def test_each_mode_of_preemption_means_something_else(mode: str, state: str, told: str, slurm_site: Site) -> None:
    text = (SLURM_DATA / "scontrol_config.txt").read_text() + (SLURM_DATA / "scontrol_partitions.txt").read_text()
    slurm_site.says("scontrol", text.replace("PreemptMode=REQUEUE State", f"PreemptMode={mode} State"))
    found = of_slurm("slurm=publicgpu")["preemption"]
    assert found.state == state
    assert told in found.found


def test_a_cluster_that_preempts_nobody_says_so(slurm_site: Site) -> None:
    configured(slurm_site, PreemptType="preempt/none")
    assert of_slurm()["preemption"].found == "no job is pushed aside by another on this cluster"


def test_time_without_preemption_and_a_requeue_that_we_ask_for_are_told(slurm_site: Site) -> None:
    configured(slurm_site, PreemptExemptTime="01:00:00", JobRequeue="0")
    found = of_slurm("slurm=publicgpu")["preemption"].found
    assert "not in its first 1 hour" in found
    assert "JobRequeue=0, which our jobs overrule" in found


def test_preemption_by_qos_is_told(slurm_site: Site) -> None:
    configured(slurm_site, PreemptType="preempt/qos", PreemptMode="CANCEL")
    slurm_site.says("sacctmgr", "normal||cluster|00:00:00\nfree||cluster|00:01:00\npaid|free|cluster|00:00:00\n")
    told = "a run in QOS free may be pushed aside by a job of QOS paid: it is told at once, has 65 s"
    assert told in of_slurm("slurm=publicgpu")["preemption"].found
    found = of_slurm("slurm=publicgpu", "slurm.qos=free")["preemption"]
    assert (found.state, told in found.found, "Slurm does not start it again" in found.found) == ("warning", True, True)
    assert of_slurm("slurm=publicgpu", "slurm.qos=paid")["preemption"].found == "no run in QOS paid is pushed aside by another"  # fmt: skip
    slurm_site.says("sacctmgr", err="sacctmgr: error: Only 'accounting_storage/slurmdbd' is supported.\n", code=1)
    found = of_slurm()["preemption"]
    assert (found.state, "which ones is not known" in found.found) == ("note", True)


@pytest.mark.parametrize(
    ("changes", "sacct", "state", "told"),
    [
        ({}, {}, "ok", "sacct remembers"),
        ({"AccountingStorageType": "accounting_storage/none"}, {}, "note", "known for 10 minutes only"),
        ({}, {"err": "sacct: error: slurm_persist_conn_open: failed to connect: Connection refused\n", "code": 1}, "warning", "sacct does not answer"),
    ],
)  # fmt: skip
def test_accounting_is_told_with_what_is_lost_without_it(
    changes: dict[str, str], sacct: dict[str, Any], state: str, told: str, slurm_site: Site
) -> None:
    configured(slurm_site, **changes)
    slurm_site.says("sacct", **sacct)
    found = of_slurm()["accounting"]
    assert found.state == state
    assert told in found.found
