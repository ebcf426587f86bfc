"""What trainings cost: times and peaks as they were recorded, and nothing made up."""

from __future__ import annotations

from typing import Any, cast

import pytest

from htr_exp.core.task import Epoch
from htr_exp.runs import costs
from htr_exp.runs.costs import Cost, said, together
from htr_exp.runs.records import Results


def run(device: str | None, *epochs: dict[str, Any]) -> tuple[Results, list[Epoch]]:
    return Results(**({"device": device} if device else {})), [cast("Epoch", one) for one in epochs]


def cost(runs: list[tuple[Results, list[Epoch]]]) -> Cost:
    return together([costs.cost(*one) for one in runs])


def test_times_are_summed_by_device_and_of_memory_the_most_is_kept() -> None:
    found = cost([
        run("cuda:0", {"seconds": 5000.0, "memory_gb": 2.0, "gpu_memory_gb": 9.0, "cpu_s": 40.0}, {"seconds": 5000, "memory_gb": 3.0, "cpu_s": 3600.0}),
        run("cuda:1", {"seconds": 8000.0, "gpu_memory_gb": 7.5, "cpu_s": 3600.0}),
        run("cpu", {"seconds": 30.0, "cpu_s": 60.0}, {"seconds": 40.5, "memory_gb": 1.0, "cpu_s": 80.0}),
    ])  # fmt: skip
    assert [*found.values()] == [18000.0, 70.5, 0, 7380.0, 3.0, 9.0, None, None, 3]
    assert said(found) == (
        "5.0 h of epochs on a GPU and 70 s of epochs without a GPU; CPU time 2.0 h; at most 3.00 GB of memory and 9.00 GB of GPU memory "
        "at once in one run; energy: not known"
    )
    assert "GB" not in said(found, memory=False)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), "much", None])
def test_a_peak_that_is_no_number_is_none(odd: Any) -> None:
    found = cost([run("cpu", {"memory_gb": odd}, {"memory_gb": 1.0}, {"memory_gb": odd})])
    assert found["memory_gb"] == 1.0
    assert cost([run("cpu", {"memory_gb": odd})])["memory_gb"] is None


def test_what_was_not_recorded_is_unknown_and_not_nothing() -> None:
    found = cost(
        [run("cpu", {"seconds": 30.0}), run("cpu", {"seconds": 30.0}, {}), run("cpu"), run(None, {"seconds": 9.0})]
    )
    assert [*found.values()] == [None, 30.0, 3, None, None, None, None, None, 4]
    assert said(found) == (
        "30 s of epochs without a GPU; time of 3 runs not known; CPU time: not known; memory: not known; energy: not known"
    )


def test_energy_is_that_of_gpus_where_each_epoch_knows_it_else_that_of_the_job_and_the_rest_is_said() -> None:
    measured = run("cuda:0", {"seconds": 1.0, "energy_wh": 700.0}, {"seconds": 1.0, "energy_wh": 500.5})
    in_part = run("cuda:0", {"seconds": 1.0, "energy_wh": 700.0}, {"seconds": 1.0})
    of_job = Results(job_energy_wh=2000.0, device="cuda:0"), in_part[1]
    both = Results(job_energy_wh=9999.0, device="cuda:0"), measured[1]
    assert said(cost([both])).endswith("; energy of the GPUs 1.2 kWh")
    assert said(cost([of_job])).endswith("; energy of all that ran on the nodes of the jobs 2 kWh")
    all_five = cost([measured, in_part, of_job, both, run("cpu")])
    assert (all_five["gpu_energy_wh"], all_five["job_energy_wh"], all_five["unmeasured"]) == (2401.0, 2000.0, 2)
    assert said(all_five).endswith(
        "; energy of the GPUs 2.4 kWh; energy of all that ran on the nodes of the jobs 2 kWh; energy of 2 runs not known"
    )


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1.0, "much", True, None])
def test_energy_that_is_no_number_is_not_known(odd: Any) -> None:
    assert cost([run("cuda:0", {"energy_wh": odd})])["gpu_energy_wh"] is None
    assert cost([(Results(job_energy_wh=odd), [])])["job_energy_wh"] is None
