"""What several test files need: made-up pages, a base model, a workspace, and a kraken that plays scenarios."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from htr_exp.config.compose import compose_experiment
from htr_exp.pipeline.plan import make_plan
from htr_exp.pipeline.write import write_run as write
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in

if real := os.environ.get("HTR_EXP_REAL_DATA"):  # tests stand in folders of their own
    os.environ["HTR_EXP_REAL_DATA"] = str(Path(real).resolve())

TESTS = Path(__file__).parent
FAKES = TESTS / "fakes"
sys.path.insert(0, str(FAKES))

from groundtruth_pages import page_line, page_xml
from scenario import BLLA, segmentation_weights, weights


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("HTR_EXP_SLOW"):
        return
    reason = "it takes more than a quarter of a minute: `make test-slow` runs it"
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason=reason))


TIMEOUT_S = 300
"""How long anything may take before a test gives up: generous, since nothing here measures speed."""


@dataclass(frozen=True)
class Done:
    """A command line that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed as its last line."""
        return json.loads(self.stdout.strip().splitlines()[-1])


@dataclass
class Scenario:
    """What the fake kraken plays, and what it was asked to do."""

    file: Path
    values: dict[str, Any] = field(default_factory=dict)

    def play(self, **values: Any) -> None:
        """From now on, play this and nothing else."""
        self.values = values
        self.file.write_text(json.dumps(values))

    def calls(self, verb: str | None = None) -> list[list[str]]:
        """Return the arguments of each call so far, or of those of one verb (compile, train, convert, ocr)."""
        log = self.file.with_name("calls.jsonl")
        found = [json.loads(line)["argv"] for line in log.read_text().splitlines()] if log.exists() else []
        return [argv for argv in found if verb is None or verb in argv]

    def pids(self) -> list[int]:
        """Return the process of each call."""
        log = self.file.with_name("calls.jsonl")
        return [json.loads(line)["pid"] for line in log.read_text().splitlines()] if log.exists() else []


def until(condition: Callable[[], Any], what: str = "it") -> Any:
    """Wait for a condition and return its value."""
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {TIMEOUT_S} s for {what}")


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
        "PYTHONPATH", os.pathsep.join([str(FAKES.parents[1]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(folder)
    return folder


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
    return programs(tmp_path / "kraken" / "bin", ketos="fake_ketos.py")


@pytest.fixture
def fake_kraken4(tmp_path: Path, scenario: Scenario) -> Path:
    """The same as 4.3.13."""
    return programs(tmp_path / "kraken4" / "bin", ketos="fake_ketos4.py", release="4.3")


def programs(folder: Path, *, ketos: str, release: str = "7.1") -> Path:
    """Write programs `ketos` and `kraken` that are fakes; return the former's path."""
    folder.mkdir(parents=True)
    for name, fake in (("ketos", ketos), ("kraken", "fake_kraken.py")):
        program = folder / name
        program.write_text(
            f"#!{sys.executable}\nimport os, runpy, sys\nsys.path.insert(0, {str(FAKES)!r})\n"
            f"os.environ['FAKE_RELEASE'] = {release!r}\n"
            f"runpy.run_path({str(FAKES / fake)!r}, run_name='__main__')\n"
        )
        program.chmod(0o755)
    return folder / "ketos"


def make_pages(folder: Path, pages: int = 6, lines: int = 3) -> Path:
    """Write PAGE files and an image each, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in range(pages):
        name = f"f{page + 1:02d}"
        image = Image.new("L", (220, 40 * lines + 20), 200)
        image.putpixel((0, 0), page)
        image.save(folder / f"{name}.png")
        text = [f"in principio erat verbum {page + 1} linea {line + 1}" for line in range(lines)]
        drawn = "".join(
            page_line(
                number + 1,
                words,
                coords=f"5,{40 * number + 10} 5,{40 * number + 45} 210,{40 * number + 45} 210,{40 * number + 10}",
                baseline=f"5,{40 * number + 40} 210,{40 * number + 40}",
            )
            for number, words in enumerate(text)
        )
        xml = page_xml(drawn, image=f"{name}.png", size=image.size)
        (folder / f"{name}.xml").write_text(xml, encoding="utf-8")
    return folder


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
        made = make_plan(compose_experiment(_changed(experiment, changes)))
        return write(made, command=["htr_exp", "train", *changes])[0]

    return write_run


def layout_region(name: str, kind: str | None, box: tuple[int, int, int, int] | None, *lines: str) -> str:
    """Return a region of a PAGE file, a rectangle (left, top, right, bottom) or without a shape."""
    custom = f' custom="structure {{type:{kind};}}"' if kind else ""
    coords = ""
    if box is not None:
        left, top, right, bottom = box
        coords = f'<Coords points="{left},{top} {left},{bottom} {right},{bottom} {right},{top}"/>'
    return f'<TextRegion id="{name}"{custom}>{coords}{"".join(lines)}</TextRegion>'


def layout_xml(*regions: str, image: str, size: tuple[int, int]) -> str:
    """Return a PAGE file of regions."""
    return page_xml("", image=image, size=size).replace(
        '<TextRegion id="r1" custom="structure {type:MainZone;}"><Coords points="0,0 0,200 300,200 300,0"/></TextRegion>',
        "".join(regions),
    )


def make_layout_pages(folder: Path, pages: int = 6, lines: int = 5) -> Path:
    """Write PAGE files and an image each: a heading in the margin, the other lines in the main zone; no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in range(pages):
        name = f"f{page + 1:02d}"
        image = Image.new("L", (420, 60 * lines + 20), 200)
        image.putpixel((0, 0), page)
        image.save(folder / f"{name}.png")
        drawn = [
            page_line(
                number + 1,
                f"linea {number + 1} {page + 1}",  # too short for pages to be alike by their texts
                coords=f"5,{60 * number + 10} 5,{60 * number + 55} 410,{60 * number + 55} 410,{60 * number + 10}",
                baseline=f"5,{60 * number + 45} 410,{60 * number + 45}",
                custom=f"structure {{type:{'DefaultLine' if number else 'HeadingLine'};}}",
            )
            for number in range(lines)
        ]
        xml = layout_xml(
            layout_region("r1", "MarginTextZone", (2, 5, 415, 60), drawn[0]),
            layout_region("r2", "MainZone", (2, 65, 415, 60 * lines + 15), *drawn[1:]),
            image=f"{name}.png",
            size=image.size,
        )
        (folder / f"{name}.xml").write_text(xml, encoding="utf-8")
    return folder


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


def layout_words(pages: Path, base: Path, ketos: Path) -> list[str]:
    """Return the words of a small segmentation."""
    return [
        "task=segmentation",
        f"dataset.path={pages}",
        f"model.path={base}",
        f"runtime.ketos={ketos}",
        "tracking=none",
        "split.validation=0.17",
        "split.test=0.17",
        "training.device=cpu",
        "training.quit=fixed",
        "training.epochs=3",
    ]


@pytest.fixture
def planned_layout(layout_experiment: list[str]) -> Callable[..., RunDir]:
    """Write the run of the small segmentation, with changes, and return it."""

    def write_run(*changes: str, evaluate: bool = False) -> RunDir:
        words = [] if evaluate else layout_experiment
        kept = [word for word in layout_experiment if evaluate and not word.startswith(("training.", "split."))]
        made = make_plan(compose_experiment(_changed([*words, *kept], changes)), evaluate=evaluate)
        return write(made, command=["htr_exp", "evaluate" if evaluate else "train", *changes])[0]

    return write_run


def _changed(words: list[str], changes: tuple[str, ...]) -> list[str]:
    """Return the words with those replaced whose key is given anew."""
    keys = {change.partition("=")[0] for change in changes}
    return [word for word in words if word.partition("=")[0] not in keys] + list(changes)


@dataclass
class CommandLine:
    """Runs `python -m htr_exp ...` in a process of its own."""

    words: list[str]
    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(self, *words: str, **options: Any) -> Done:
        """Run to the end."""
        return self.end(self.start(*words, **options))

    def train(self, *changes: str) -> Done:
        """Train the small experiment, with changes."""
        return self(*self.training(*changes))

    def training(self, *changes: str) -> list[str]:
        """Return the words that train the small experiment, with changes."""
        flags = [change for change in changes if change.startswith("-")]
        rest = tuple(change for change in changes if not change.startswith("-"))
        return ["train", *flags, *_changed(self.words, rest)]

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start, in a session of its own, and return at once."""
        process = subprocess.Popen(
            [sys.executable, "-m", "htr_exp", *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )
        self.started.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> Done:
        """Wait for the end."""
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
        return Done(process.returncode, stdout, stderr)

    @property
    def runs(self) -> list[RunDir]:
        """The runs of the workspace."""
        return runs_in(self.folder / "runs")


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
