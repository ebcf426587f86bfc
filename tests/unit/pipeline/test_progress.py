from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakes.scenario import SPEC
from helpers.trainer import Trainer
from helpers.whole_runs import Quiet
from htr_exp.core.signals import Stop
from htr_exp.core.task import RECOGNITION, SEGMENTATION
from htr_exp.kraken.legs import may_say_each
from htr_exp.kraken.log import extracted_of, loads_sample, validation_of, without_steering
from htr_exp.pipeline.progress import SPARSE_S, Progress
from htr_exp.pipeline.recognition import Recognition
from htr_exp.pipeline.run import run_stages
from htr_exp.runs.run_dir import RunDir

KRAKEN_DEFAULT = "[1,120,0,1 Cr3,13,32 Do0.1,2 Mp2,2 Cr3,13,32 Do0.1,2 Mp2,2 Cr3,9,64 Do0.1,2 Mp2,2 Cr3,9,64 Do0.1,2 S1(1x0)1,3 Lbx200 Do0.1,2 Lbx200 Do0.1,2 Lbx200 Do]"
SMALL = "[1,48,0,1 Cr3,3,16 Mp2,2 Cr3,3,32 Mp2,2 S1(1x12)1,3 Lbx100 Do0.1,2]"


@pytest.fixture
def trainer(tmp_path: Path, workspace: Path, fake_kraken: Path, base_model: Path) -> Trainer:
    return Trainer(tmp_path / "run", fake_kraken, base_model)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def told(width: int = 80, *, terminal: bool = False, encoding: str = "utf-8") -> tuple[io.TextIOWrapper, Console]:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    out = Console(file=stream, width=width, force_terminal=terminal, highlight=False, markup=False, emoji=False)
    return stream, out


def written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode(stream.encoding)  # type: ignore[attr-defined]


def record(epoch: int, cer: float = 0.1139, seconds: float = 29.0) -> Any:
    return {"epoch": epoch, "val_cer": cer, "errors": round(1000 * cer), "seconds": seconds}


def test_in_a_file_there_are_sparse_lines_and_no_control_character() -> None:
    stream, out = told()
    clock = Clock()
    with Progress(out, clock) as progress:
        progress.stage("compile")
        for done in range(0, 2000, 10):
            clock.now += 10
            progress.advance(done, 2000, "line")
        progress.stage("train")
        for done in range(0, 400, 10):
            clock.now += 10
            progress.within(3, 50, done, 400, "line")
    lines = written(stream).splitlines()
    assert lines[0] == "  compiles the lines"
    assert lines[1] == f"  compiles the lines: {int(SPARSE_S) - 10} of 2000 lines, 29 min left"
    assert len(lines) == 1 + 6 + 1 + 1  # one in five minutes
    assert lines[-1] == "  epoch 3 of 50: 300 of 400 lines, 2 min left"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", "".join(lines))


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_on_a_terminal_the_last_line_says_how_far_it_is_and_fits(width: int, encoding: str) -> None:
    stream, out = told(width, terminal=True, encoding=encoding)
    clock = Clock()
    with Progress(out, clock) as progress:
        progress.stage("train")
        progress.within(3, 50, 0, 400, "line")
        clock.now = 20
        progress.within(3, 50, 100, 400, "line")
        progress._last_line._bar.refresh()
        progress.epoch(RECOGNITION, record(123), record(100, 0.08), 3000.0)
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written(stream)))
    assert max(map(len, lines)) <= width
    assert any("epoch 3 of 50" in line and "100 of 400 lines" in line for line in lines)
    assert any("60 s left" in line for line in lines) or width == 40
    (epoch,) = (line for line in lines if "123" in line)
    assert "11.39 %" in epoch
    assert "8.00 %" in " ".join(lines)


def test_where_kraken_does_not_say_its_lines_the_last_epoch_tells_how_long_one_takes() -> None:
    stream, out = told()
    clock = Clock()
    with Progress(out, clock) as progress:
        clock.now = SPARSE_S
        progress.within(1, None, SPARSE_S, None, "s")
        clock.now *= 2
        progress.within(1, None, 2 * SPARSE_S, None, "s")
        progress.within(2, None, 1.0, 900.0, "s")
        clock.now += SPARSE_S
        progress.within(2, None, SPARSE_S, 900.0, "s")
    assert written(stream).splitlines() == ["  epoch 1: 10 min", "  epoch 2: 5 min of about 15 min, 10 min left"]


def test_usual_networks_on_a_cpu_are_asked_for_each_line_and_no_quick_ones() -> None:
    assert may_say_each(RECOGNITION, KRAKEN_DEFAULT, "cpu")
    assert not may_say_each(RECOGNITION, KRAKEN_DEFAULT, "cuda:0")
    assert not may_say_each(RECOGNITION, SMALL, "cpu")
    assert not may_say_each(SEGMENTATION, "no network", "cpu")


@pytest.mark.parametrize(
    "line",
    [
        "[11/23/26 15:02:12] DEBUG    Loading sample 12          recognition.py:280",
        "                    DEBUG    Loading sample 12          recognition.py:280",
        "                    DEBUG    Attempting to load /a/b.jpg   segmentation.py:250",
    ],
)
def test_lines_about_a_sample(line: str) -> None:
    assert loads_sample(line)
    assert not loads_sample(f"INFO     {line}")


def test_what_follows_of_a_long_line_is_no_validation() -> None:
    said = "validation run: total chars 10.0 errors 0.0 accuracy 1.0"
    assert validation_of(f"{'':20}INFO     {said}")
    assert validation_of(f"[11/23/26 15:02:12] INFO     {said}")
    assert validation_of(f"{'':29}{said}") is None
    assert validation_of(f"{'':20}DEBUG    Attempting to load {said}") is None
    assert not loads_sample(f"{'':29}DEBUG    Loading sample 1")


def test_the_bar_of_compile() -> None:
    line = without_steering(
        "\x1b[?25l\x1b[2K\x1b]8;;x\x07Extracting lines \u2501\u2501  40% 100/250 0:00:04 0:00:02\x1b[0m"
    )
    assert line.startswith("Extracting lines")
    assert extracted_of(line) == (100, 250)
    assert extracted_of("Extracting lines   0% 0/0 -:--:-- 0:00:00") == (0, 0)
    assert extracted_of("Output file written to 1/2 ") is None


class Heard(Quiet):
    """Remembers how far it was."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, int, int, str]] = []

    def advance(self, done: int, total: int, noun: str) -> None:
        self.lines.append((self.stages[-1], done, total, noun))


def test_compile_tells_its_lines_and_its_bar_is_not_in_the_log(planned: Any, scenario: Any) -> None:
    scenario.play(bar=[[0, 0], [0, 7], [3, 7], [7, 7]], bar_seconds=0.5)
    run: RunDir = planned("training.epochs=1")
    heard = Heard()
    assert run_stages(run, stop=Stop(), observer=heard).state == "done"
    compiled = [said[1:] for said in heard.lines if said[0] == "compile"]
    assert (3, 7, "line") in compiled
    assert all(total > 0 and noun == "line" for _, total, noun in compiled)
    log = run.log.read_text()
    assert "Extracting" not in log
    assert "\x1b" not in log
    assert "Output file written to" in log


def test_an_epoch_tells_the_lines_that_kraken_reads(trainer: Trainer, scenario: Any) -> None:
    scenario.play(samples=30, epoch_seconds=0.5)
    trainer.start(samples=20)
    said = trainer.heard.within_epochs
    assert {epoch for epoch, *_ in said} == {1, 2, 3, 4}
    assert (2, 4, 20.0, 20.0, "line") in said  # never more than there are
    assert trainer.curve == [1, 2, 3, 4]
    assert "Loading sample" not in trainer.run.log.read_text()
    assert "-vv" in scenario.calls("train")[0]


def test_without_them_an_epoch_tells_its_seconds_and_those_of_the_last_one(trainer: Trainer, scenario: Any) -> None:
    scenario.play(epoch_seconds=0.5)
    trainer.start(epochs=2)
    said = trainer.heard.within_epochs
    assert {(epoch, total, noun) for epoch, _, _, total, noun in said} == {
        (1, None, "s"),
        (2, trainer.run.epochs()[0]["seconds"], "s"),
    }
    assert "-v" in scenario.calls("train")[0]


@pytest.mark.parametrize("network", [SPEC, KRAKEN_DEFAULT])
def test_lines_of_training_and_validation_are_one_epoch(planned: Any, network: str) -> None:
    from htr_exp.pipeline.run_inputs import RunInputs

    run = planned()
    inputs = RunInputs(run)
    stages = Recognition(inputs, lambda *_: None, lambda: None, Quiet())
    lines = sum(page["lines"] for page in inputs.pages("train", "validation"))
    assert stages._samples(network) == (lines if network == KRAKEN_DEFAULT else None)
