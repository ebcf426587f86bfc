"""A segmentation as a job: nothing is compiled, and it goes on from its checkpoint when it is preempted."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.cluster import Cluster
from helpers.command_line import CommandLine
from helpers.real_pages import demo_pages
from helpers.slurm_runs import ON_GPU1, after_epochs, ends_as, job_of, legs, restarted, submit
from htr_exp.core.files import read_jsonl
from htr_exp.kraken.class_names import known_classes
from htr_exp.kraken.model_file import read_header

EPOCHS = 8
TINY = "architecture.spec=[1,240,0,3 Cr7,7,16,2,2 Gn4 Cr3,3,16,2,2 Gn4 Lbx8 Lby8]"


@pytest.mark.kraken
def test_a_segmentation_that_is_preempted_goes_on_from_its_checkpoint(tmp_path: Path, cluster: Cluster) -> None:
    pages = demo_pages(tmp_path / "pages")
    htr_exp = CommandLine(
        [
            f"dataset.path={pages}", "task=segmentation", "model=none", "architecture=small_segmentation", TINY, "tracking=none",
            "split.validation=0.17", "split.test=0.17", "training.quit=fixed", f"training.epochs={EPOCHS}", "training.lrate=0.01",
        ],
        tmp_path,
    )  # fmt: skip
    run = submit(htr_exp, *ON_GPU1)
    assert run.jobs[-1]["compile_job"] is None
    after_epochs(run, 2)
    cluster.preempt("gpu1", seconds=1)
    cluster.wait_for(job_of(run), "PENDING")
    before = len(run.epochs())
    assert before < EPOCHS, "it was quicker than Slurm"
    restarted(run)
    row = ends_as("done", run, htr_exp, cluster)
    assert [record["epoch"] for record in run.epochs()] == list(range(1, EPOCHS + 1))
    result = run.result()
    assert result is not None
    assert result["test"]["best"]["pages"] == len(read_jsonl(run.predictions / "test.jsonl")) == 1
    assert (row["task"], row["metric"], row["requeued"]) == ("segmentation", "line_f1", 1)
    (again,) = [leg for leg in legs(run)[1:] if not leg["new_leg"]]
    assert again["epochs_before"] == before - again["lost_epochs"]
    assert known_classes(read_header(run.best)) == run.facts()["classes"]["numbers"]
