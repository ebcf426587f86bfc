"""kraken through a module and in an image, inside real jobs; `make test-kraken4` and `make test-apptainer` provide both."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from helpers.cluster import Cluster
from helpers.command_line import CommandLine
from helpers.folders import DEMO
from helpers.real_pages import demo_pages
from helpers.slurm_runs import after_epochs, done_whole, ends_as, legs, restarted, submit
from helpers.waiting import until
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.runs.run_dir import RunDir

MODULEFILES = os.environ.get("HTR_EXP_MODULEFILES")
IMAGE = os.environ.get("HTR_EXP_IMAGE")
BIND = os.environ.get("HTR_EXP_IMAGE_BIND")

needs_module = pytest.mark.skipif(not MODULEFILES, reason="needs kraken 4.3.13 as a module: run `make test-kraken4`")
needs_image = pytest.mark.skipif(not IMAGE, reason="needs an image: run `make test-apptainer`")

IN_IMAGE = [f"runtime.image={IMAGE}", *([f"runtime.bind=[{BIND}]"] if BIND else [])]
JOB = ["slurm=publicgpu", "slurm.nodelist=gpu1", "training.quit=fixed"]


def began_again(run: RunDir, before: int) -> bool:
    return len(legs(run)) > before


@pytest.fixture
def demo(tmp_path: Path, cluster: Cluster) -> CommandLine:
    """The command line with an experiment on six pages of the demo."""
    demo_pages(tmp_path / "pages")
    words = [f"dataset.path={tmp_path / 'pages'}", f"model.path={DEMO / 'base.mlmodel'}", "tracking=none"]
    return CommandLine(words, tmp_path)


@pytest.mark.kraken4
@needs_module
def test_a_job_loads_the_module_in_its_bare_shell(demo: CommandLine, cluster: Cluster) -> None:
    run = submit(demo, *JOB, "runtime=module", f"runtime.modulepath=[{MODULEFILES}]", "training.epochs=2")
    row = done_whole(run, 2, demo, cluster)
    assert (row["kraken"], row["runtime"], row["fallback"]) == ("4.3.13", "kraken/4.3.13", None)
    assert row["test_cer"] < row["base_test_cer"]
    assert "kraken/4.3.13" in read_json(run.results)["kraken"]["modules"]


@pytest.mark.apptainer
@needs_image
def test_without_the_module_the_job_uses_the_image_and_says_so(
    demo: CommandLine, cluster: Cluster, tmp_path: Path
) -> None:
    words = ["runtime=module", f"runtime.modulepath=[{tmp_path}]", "runtime.fallback_kraken=7.1.1", *IN_IMAGE]
    sent = demo.train(*JOB, *words, "training.epochs=1")
    assert sent.code == 0, sent.stderr
    assert "jobs that do not find it either use" in sent.stderr
    (run,) = demo.runs
    row = done_whole(run, 1, demo, cluster)
    assert row["kraken"] == "7.1.1"
    assert row["runtime"] == Path(str(IMAGE)).name
    assert "runtime.module=kraken/4.3.13:" in row["fallback"]
    assert row["fallback"] in demo("status").stdout
    assert len(read_json(run.results)["kraken"]["image_sha256"]) == 64


def test_with_neither_a_module_nor_an_image_a_job_fails_in_plain_words(
    demo: CommandLine, cluster: Cluster, tmp_path: Path
) -> None:
    words = ["runtime=module", f"runtime.modulepath=[{tmp_path}]", f"runtime.image={tmp_path}/none.sif"]
    run = submit(demo, *JOB, *words, "training.epochs=1")
    row = ends_as("failed", run, demo, cluster)
    assert "kraken is neither there as a module nor as an image" in row["reason"]
    assert f"{tmp_path}/none.sif" in row["reason"]


@pytest.mark.apptainer
@needs_image
def test_signals_of_a_preemption_cost_no_epoch_in_an_image(demo: CommandLine, cluster: Cluster) -> None:
    run = submit(demo, *JOB, "runtime=apptainer", *IN_IMAGE, "training.epochs=6")
    for number, (user_signal, grace) in enumerate(((True, 10), (False, 10)), start=1):
        cluster.signals(user_signal, grace)
        after_epochs(run, number)
        cluster.preempt("gpu1", seconds=2)
        restarted(run, number)
        until(partial(began_again, run, number), "kraken to go on")
    row = done_whole(run, 6, demo, cluster)
    assert [leg["lost_epochs"] for leg in legs(run)] == [0, 0, 0]
    assert row["runtime"] == Path(str(IMAGE)).name
    assert [found["version"] for found in read_jsonl(run.krakens)] == ["7.1.1"] * 3


@pytest.mark.apptainer
@needs_module
@needs_image
def test_one_experiment_on_the_host_through_the_module_and_in_the_image(demo: CommandLine, cluster: Cluster) -> None:
    ways = (
        ["runtime=host"],
        ["runtime=module", f"runtime.modulepath=[{MODULEFILES}]"],
        ["runtime=apptainer", *IN_IMAGE],
    )
    # side by side, each on a node of its own
    runs: list[RunDir] = [
        submit(demo, "slurm=publicgpu", "training.quit=fixed", *way, "training.epochs=2") for way in ways
    ]
    rows = [done_whole(run, 2, demo, cluster) for run in runs]
    assert [row["kraken"] for row in rows] == ["7.1.1", "4.3.13", "7.1.1"]
    host, module, image = rows
    assert host["test_cer"] == image["test_cer"]  # the same kraken on the same lines
    assert host["base_test_cer"] == image["base_test_cer"] != module["base_test_cer"]
    compared = demo("compare")
    assert compared.code == 0
    assert "mixed: these runs used different versions of kraken" in compared.stdout
