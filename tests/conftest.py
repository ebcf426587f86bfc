"""Fixtures of several test files: made-up pages, a base model, a workspace, and a kraken that plays scenarios."""

from __future__ import annotations

import gc
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.scenario import BLLA, segmentation_weights, weights
from helpers.command_line import CommandLine, changed
from helpers.fake_kraken import Scenario, programs
from helpers.folders import CHECKOUT
from helpers.given_up import nobody_asks
from helpers.layout_files import layout_words, make_layout_pages
from helpers.listener import Listener
from helpers.page_files import make_pages
from helpers.real_data import REAL_DATA
from htr_exp.config.compose import compose_experiment
from htr_exp.pipeline.plan import make_plan
from htr_exp.pipeline.write import write_run as write
from htr_exp.runs.run_dir import RunDir

# What this machine, its user or a job around the tests has set: none of it may decide a test.
for name in [name for name in os.environ if re.match(
    r"(SLURM|SBATCH|SRUN|SALLOC|SQUEUE|SACCT|SINFO|SCONTROL|SCANCEL|APPTAINER|SINGULARITY|LMOD|MODULE|MLFLOW|HYDRA|GIT|XDG)_|MODULE"
    r"|LOADEDMODULES|_LMFILES_|BASH_ENV$|ENV$|BASH_FUNC_|CUDA_VISIBLE|(FORCE|NO)_COLOR|CLICOLOR|COLUMNS$|LINES$|LS_COLORS"
    r"|PYTHON(WARNINGS|DONTWRITEBYTECODE|HASHSEED|OPTIMIZE|DEVMODE|UNBUFFERED)|TERM$|TTY_|.*_proxy$",
    name, re.IGNORECASE,
)]:  # fmt: skip
    del os.environ[name]
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # so it is in what a script starts in the background; tests send Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


PROGRAMS = {"fake_kraken", "fake_kraken4", "empty_database", "workspace"}
"""Fixtures of tests that start programs, or compose an experiment anew."""


def pytest_collection_finish() -> None:
    """What is there before the first test stays to the end: leaving it out of every search for garbage saves a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)  # as `htr_exp.cli.main` does


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and not PROGRAMS.isdisjoint(item.fixturenames):
            item.add_marker("seconds")
    if os.environ.get("HTR_EXP_SLOW"):
        items.sort(key=_minutes, reverse=True)
        return
    reason = "it takes more than a quarter of a minute: `make test-slow` runs it"
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason=reason))


def _minutes(item: pytest.Item) -> int:
    slow = item.get_closest_marker("slow")
    return slow.kwargs.get("minutes", 0) if slow else 0


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real ground truth and models, which is not part of this repository."""
    if REAL_DATA is None:
        pytest.skip("set HTR_EXP_REAL_DATA to the folder with demo/, dev/, dirty/, models/ and licences/")
    return REAL_DATA


@pytest.fixture(autouse=True)
def _nothing_goes_on() -> Iterator[None]:
    """The test that gave up a question fails where it goes on, and not a later one; no words are repeated to the next one."""
    yield
    os.environ.pop("HTR_EXP_REPEATED", None)  # of a command that ran in this process
    nobody_asks()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with every cache of ours below the test's own folder."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name))
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "SLURM_", "HYDRA_", "HTR_EXP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder of which the name leaves room for the sockets of Python's processes; that of `tmp_path` may not."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as name:
        yield Path(name).resolve()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A server that nobody has named: whoever speaks to it is heard."""
    found = Listener()
    yield found
    found.close()


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """What the fake kraken plays; at first, nothing goes wrong."""
    folder = tmp_path / "scenario"
    folder.mkdir()
    monkeypatch.setenv("FAKE_KETOS", str(folder / "scenario.json"))
    found = Scenario(folder / "scenario.json")
    found.play()
    return found


@pytest.fixture
def fake_kraken(tmp_path: Path, scenario: Scenario) -> Path:
    """The path of a `ketos` with a `kraken` beside it: `runtime.ketos=...`."""
    return programs(tmp_path / "kraken" / "bin")


@pytest.fixture
def fake_kraken4(tmp_path: Path, scenario: Scenario) -> Path:
    """The same as 4.3.13."""
    return programs(tmp_path / "kraken4" / "bin", release="4.3")


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A folder of six pages of three lines."""
    return make_pages(tmp_path / "pages")


@pytest.fixture
def base_model(tmp_path: Path) -> Path:
    """A recogniser that gets half of all characters right."""
    path = tmp_path / "base.mlmodel"
    path.write_bytes(weights(accuracy=0.5))
    return path


@pytest.fixture
def experiment(workspace: Path, fake_kraken: Path, pages: Path, base_model: Path) -> list[str]:
    """The words of a small experiment: 4 pages to train on, 1 to validate, 1 to test."""
    return [
        f"dataset.path={pages}",
        f"model.path={base_model}",
        f"runtime.ketos={fake_kraken}",
        "tracking=none",
        "split.validation=0.17",
        "split.test=0.17",
        "training.device=cpu",
        "training.quit=fixed",
        "training.epochs=3",
    ]


@pytest.fixture
def planned(experiment: list[str]) -> Callable[..., RunDir]:
    """Write the run of the small experiment, with changes, and return it."""

    def write_run(*changes: str) -> RunDir:
        made = make_plan(compose_experiment(changed(experiment, changes)))
        return write(made, command=["htr_exp", "train", *changes])[0]

    return write_run


@pytest.fixture
def layout_pages(tmp_path: Path) -> Path:
    """A folder of six pages of five lines, with two types of lines and two of regions."""
    return make_layout_pages(tmp_path / "layouts")


@pytest.fixture
def base_segmenter(tmp_path: Path) -> Path:
    """A segmenter with blla's classes that finds two of five lines."""
    path = tmp_path / "base_layout.mlmodel"
    path.write_bytes(segmentation_weights(BLLA, accuracy=0.4))
    return path


@pytest.fixture
def layout_experiment(workspace: Path, fake_kraken: Path, layout_pages: Path, base_segmenter: Path) -> list[str]:
    """The words of a small segmentation: 4 pages to train on, 1 to validate, 1 to test."""
    return layout_words(layout_pages, base_segmenter, fake_kraken)


@pytest.fixture
def planned_layout(layout_experiment: list[str]) -> Callable[..., RunDir]:
    """Write the run of the small segmentation, with changes, and return it."""

    def write_run(*changes: str, evaluate: bool = False) -> RunDir:
        words = [] if evaluate else layout_experiment
        kept = [word for word in layout_experiment if evaluate and not word.startswith(("training.", "split."))]
        made = make_plan(compose_experiment(changed([*words, *kept], changes)), evaluate=evaluate)
        return write(made, command=["htr_exp", "evaluate" if evaluate else "train", *changes])[0]

    return write_run


@pytest.fixture
def htr_exp_layout(layout_experiment: list[str], workspace: Path) -> Iterator[CommandLine]:
    """The command line over the small segmentation: `htr_exp_layout.train("seed=2")`."""
    yield from _command_line(layout_experiment, workspace)


@pytest.fixture
def htr_exp(experiment: list[str], workspace: Path) -> Iterator[CommandLine]:
    """The command line: `htr_exp("status", "--json")`, `htr_exp.train("seed=2")`."""
    yield from _command_line(experiment, workspace)


def _command_line(words: list[str], folder: Path) -> Iterator[CommandLine]:
    found = CommandLine(words, folder)
    yield found
    for process in found.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
