"""The energy of a run's job, as a cluster that measures it says: the cluster is scripted, since that of the tests does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.fake_slurm_site import Site, site
from helpers.whole_runs import do
from htr_exp.runs.rows import row_of
from htr_exp.runs.run_dir import RunDir


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    found = site(tmp_path, monkeypatch)
    found.says("sstat", "7200\n3600\n")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    return found


def submitted(run: RunDir, **more: Any) -> RunDir:
    record = {
        "time": "2026-01-02T03:04:05Z",
        "by": "scholar",
        "job": "17",
        "compile_job": None,
        "log": "",
        "packed": 1,
        "slurm": {},
    }
    run.add_submission({**record, **more})
    return run


def test_a_run_that_had_its_job_for_itself_has_the_energy_of_its_nodes(
    planned: Callable[..., RunDir], scenario, cluster: Site
) -> None:
    run = submitted(planned())
    assert do(run).state == "done"
    assert run.final_result()["job_energy_wh"] == 3.0
    assert row_of(run)["cost"]["job_energy_wh"] == 3.0
    assert cluster.calls("sstat")[0]["argv"][-2:] == ["-j", "17"]


@pytest.mark.parametrize("odd", ["packed", "started again", "not measured"])
def test_what_is_not_of_this_run_alone_is_not_known(
    odd: str, planned: Callable[..., RunDir], scenario, cluster: Site
) -> None:
    run = submitted(planned(), packed=2 if odd == "packed" else 1)
    if odd == "started again":
        scenario.play(epoch_seconds=0.3)
        do(run, word="preempted")
        scenario.play()
    if odd == "not measured":
        cluster.says("sstat", "0\n")
    assert do(run).state == "done"
    assert "job_energy_wh" not in run.final_result()
    assert row_of(run)["cost"]["unmeasured"] == 1
