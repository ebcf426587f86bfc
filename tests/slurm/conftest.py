"""The cluster of `tests/cluster/start`, as tests see it: what they submit to, switch, break and ask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.cluster import Cluster

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that stands in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("slurm")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster that `make test-slurm` has started."""
    if os.environ.get("HTR_EXP_CLUSTER") != "1":
        pytest.skip("needs a Slurm cluster: run `make test-slurm` as root")
    if os.environ.get("PYTEST_XDIST_WORKER"):
        pytest.fail("there is one cluster: run these tests with -n 0")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SLURMD_"))}
    return Cluster(tmp_path_factory.getbasetemp(), variables)


@pytest.fixture(autouse=True)
def clean_cluster(cluster: Cluster) -> Iterator[None]:
    """No test finds another's jobs, dead nodes or settings."""
    cluster.idle()
    yield
    cluster.idle()
