from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.fake_slurm_site import Site, site
from helpers.folders import SLURM_DATA
from htr_exp.slurm import refusals

SETTINGS: dict[str, Any] = {
    "partition": "nope", "time_min": 9000, "gres": "gpu:9", "constraint": "none such", "cpus_per_task": 64, "mem_gb": 900,
    "account": "acc", "qos": "fast", "nodelist": "nonode", "mail_type": "XX", "extra": {"frobnicate": 1},
}  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return site(tmp_path, monkeypatch)


@pytest.fixture
def recorded(cluster: Site) -> Site:
    for program in ("squeue", "sacct", "sinfo"):
        cluster.says(program, (SLURM_DATA / f"{program}.txt").read_text())
    return cluster


def test_sbatch_is_asked_with_the_script(cluster: Site) -> None:
    cluster.says(
        "sbatch",
        err="sbatch: Job 16 to start at 2026-11-23T21:25:27 using 1 processors on nodes cpu1 in partition public\n",
    )
    assert refusals.test_script("#!/bin/sh\ntrue\n") is None
    (call,) = cluster.calls("sbatch")
    assert (call["argv"], call["stdin"]) == (["--test-only"], "#!/bin/sh\ntrue\n")


def test_all_that_sbatch_refuses_is_told(cluster: Site) -> None:
    cluster.says(
        "sbatch",
        err="sbatch: error: invalid partition specified: nope\nallocation failure: Invalid partition name specified\n",
        code=1,
    )
    assert (
        refusals.test_script("#!/bin/sh\n")
        == "invalid partition specified: nope; allocation failure: Invalid partition name specified"
    )


REFUSALS = [json.loads(line) for line in (SLURM_DATA / "refusals.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: " ".join(refusal["text"].split()[-6:]))
def test_a_refusal_names_the_key_and_what_to_change(recorded: Site, refusal: dict[str, Any]) -> None:
    settings = SETTINGS
    if "15.6" in str(refusal["words"]) or "gputc" in str(refusal["words"]) or "1440" in str(refusal["words"]):
        settings = SETTINGS | {"partition": "publicgpu"}
    said = str(refusals.meaning(refusal["text"], settings))
    own = refusal["text"].strip().splitlines()[0].removeprefix("sbatch: ").removeprefix("error: ")
    assert own in said
    assert [word for word in refusal["words"] if word not in said] == []


def test_a_refusal_is_explained_where_sinfo_is_silent(cluster: Site) -> None:
    cluster.says("sinfo", code=1)
    assert "`sinfo -o %P` lists them" in str(refusals.meaning("Invalid partition name specified", SETTINGS))
    assert "choose less" in str(refusals.meaning("Requested time limit is invalid", SETTINGS))


NO_NODE = "allocation failure: Requested node configuration is not available"
ONE_GPU = {"partition": "publicgpu", "gres": "gpu:1", "constraint": "gputc", "cpus_per_task": 8, "mem_gb": 15}


@pytest.mark.parametrize("state", ["drained", "down*", "maint"])
def test_a_job_that_only_waits_for_nodes_out_of_service_is_not_refused(
    cluster: Site, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(refusals, "node_states", lambda: {"publicgpu": {"gpu1": "idle", "gpu2": state}})
    cluster.says("sinfo", (SLURM_DATA / "sinfo.txt").read_text())
    said = refusals.waits_for(NO_NODE, ONE_GPU)
    assert f"(gpu2 is {state.rstrip('*')})" in said
    for more in (
        {"gres": "gpu:2"},
        {"gres": "gpu:a100:1"},
        {"constraint": "h100"},
        {"cpus_per_task": 9},
        {"mem_gb": 16},
        {"runs_per_gpu": 2},
    ):
        assert refusals.waits_for(NO_NODE, ONE_GPU | more) is None, more
    assert refusals.waits_for("Invalid account", ONE_GPU) is None
    assert refusals.waits_for(NO_NODE, ONE_GPU | {"partition": "public"}) is None
    assert refusals.waits_for(NO_NODE, ONE_GPU | {"partition": "public,publicgpu"}) == said.replace(
        "slurm.partition=publicgpu", "slurm.partition=public,publicgpu"
    )


def test_where_all_nodes_are_in_service_sbatch_means_it(cluster: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "node_states", lambda: {"publicgpu": {"gpu1": "idle", "gpu2": "allocated"}})
    cluster.says("sinfo", (SLURM_DATA / "sinfo.txt").read_text())
    assert refusals.waits_for(NO_NODE, ONE_GPU) is None


@pytest.mark.parametrize(
    ("settings", "answers", "expected"),
    [
        (ONE_GPU, [NO_NODE, None], None),
        (ONE_GPU, [NO_NODE, NO_NODE], NO_NODE),
        (ONE_GPU | {"mem_gb": 900}, [NO_NODE], NO_NODE),
        (ONE_GPU, ["Invalid account"], "Invalid account"),
        (ONE_GPU, [None], None),
    ],
)
def test_sbatch_is_asked_again_where_its_nodes_have_come_back_meanwhile(
    cluster: Site,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    answers: list[str | None],
    expected: str | None,
) -> None:
    """For some seconds after Slurm was started, sbatch finds no node: sinfo, asked later, says that all are in service."""
    monkeypatch.setattr(refusals, "node_states", lambda: {"publicgpu": {"gpu1": "idle", "gpu2": "mixed"}})
    monkeypatch.setattr(refusals, "test_script", lambda script: answers.pop(0))
    cluster.says("sinfo", (SLURM_DATA / "sinfo.txt").read_text())
    assert refusals.verdict("#!/bin/sh\n", settings) == (expected, None)
    assert not answers
