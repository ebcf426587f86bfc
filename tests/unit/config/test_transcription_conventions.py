"""The conventions of dataset and base model, and what else is known of the lines before training: planned, recorded, shown."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from helpers.command_line import CommandLine
from helpers.page_files import page_line, page_xml, put, write_image
from helpers.sentences import sentences
from htr_exp.config import transcription_conventions
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ConfigError
from htr_exp.core.run_state import RunState
from htr_exp.pipeline.plan import Plan, make_plan
from htr_exp.pipeline.sources import Sources
from htr_exp.runs import compare_table, status_table
from htr_exp.runs import rows as runs_table
from htr_exp.runs.rows import compared_rows
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import run_view

MISMATCH = ("dataset.transcription_convention=graphematic", "model.transcription_convention=expanded")
Written = Callable[..., RunDir]


@pytest.fixture
def made(experiment: list[str]) -> Callable[..., Plan]:
    memory = Sources()

    def make(*changes: str, evaluate: bool = False) -> Plan:
        keys = {change.partition("=")[0] for change in changes}
        words = [word for word in experiment if word.partition("=")[0] not in keys]
        return make_plan(compose_experiment([*words, *changes]), memory, evaluate=evaluate)

    return make


@pytest.mark.parametrize(
    ("dataset", "model", "shown", "mismatch"),
    [
        ("graphematic", "expanded", "expanded -> graphematic", True),
        ("graphematic", "graphematic", "graphematic", False),
        ("graphematic", None, "graphematic", False),
        ("graphematic", "unknown", "unknown -> graphematic", False),
        ("unknown", "expanded", "expanded -> unknown", False),
        ("unknown", "unknown", None, False),
        ("unknown", None, None, False),
        (None, None, None, False),
    ],
)
def test_both_must_be_known_to_differ(
    dataset: str | None, model: str | None, shown: str | None, mismatch: bool
) -> None:
    assert (transcription_conventions.described(dataset, model), transcription_conventions.differ(dataset, model)) == (
        shown,
        mismatch,
    )


def test_a_mismatch_is_warned_of_before_training(made: Callable[..., Plan]) -> None:
    (warning,) = made(*MISMATCH).warnings
    assert warning.startswith("the dataset's transcriptions are graphematic, the base model's expanded (transcription_")
    assert "score before training, and the gain, measure the convention" in warning
    assert any("its score measures the convention" in one for one in made(*MISMATCH, evaluate=True).warnings)
    assert made(MISMATCH[0]).warnings == ()


def test_a_convention_is_no_part_of_a_runs_identity(made: Callable[..., Plan]) -> None:
    assert made(*MISMATCH).key == made().key


def test_an_unknown_convention_is_refused_with_the_known_ones(made: Callable[..., Plan]) -> None:
    with pytest.raises(ConfigError) as caught:
        made("dataset.transcription_convention=diplomatic")
    (problem,) = sentences(caught.value)
    assert problem.startswith("dataset.transcription_convention=diplomatic")
    assert "graphematic" in problem
    assert "normalised" in problem


def test_without_a_model_there_is_no_convention_of_it(made: Callable[..., Plan]) -> None:
    scratch = ("model=none", "model.path=null", "architecture=small")
    assert made(*scratch, MISMATCH[0]).warnings == ()
    with pytest.raises(ConfigError, match=r"model\.transcription_convention=expanded changes nothing with model=none"):
        made(*scratch, MISMATCH[1])


@pytest.mark.seconds
def test_what_ships_says_its_convention() -> None:
    known = {"tridis": "expanded", "catmus_medieval": "graphematic", "demo": "graphematic"}
    for name, convention in known.items():
        experiment = compose_experiment([f"model={name}", "dataset=demo"]).experiment
        assert experiment.model.transcription_convention == convention
        assert experiment.dataset.transcription_convention == "graphematic"


def shown(of: Callable[[Console], Any]) -> str:
    out = io.StringIO()
    of(Console(file=out, width=240))
    return out.getvalue()


def test_a_mismatch_is_in_the_record_and_every_table(planned: Written, workspace: Path) -> None:
    run, plain = planned(*MISMATCH), planned("seed=2")
    assert run.facts()["conventions"] == {"dataset": "graphematic", "model": "expanded"}
    assert run.facts()["crowded_lines"] == {"count": 0, "certain": []}
    row = runs_table.row_of(run)
    assert (row["conventions"], row["convention_mismatch"]) == ("expanded -> graphematic", True)
    rows, varied, _ = compared_rows([run, plain])
    assert varied == ["seed"]
    assert "expanded -> graphematic" in shown(lambda out: compare_table.show_table(out, rows, varied))
    assert "expanded -> graphematic" in shown(lambda out: status_table.show_status(out, [row]))
    done = row | {"state": RunState.DONE}
    assert "convention expanded -> graphematic: " in shown(lambda out: compare_table.show_result(out, done))
    tags = run_view.read(run.path, workspace).tags
    assert tags["htr_exp.convention_mismatch"] == "expanded -> graphematic"
    assert tags["htr_exp.model_convention"] == "expanded"


def test_without_a_mismatch_no_table_has_the_column(planned: Written, workspace: Path) -> None:
    run = planned("dataset.transcription_convention=graphematic")
    rows, varied, _ = compared_rows([run])
    assert "convention" not in shown(lambda out: compare_table.show_table(out, rows, varied))
    assert "convention" not in shown(lambda out: status_table.show_status(out, rows))
    assert "htr_exp.convention_mismatch" not in run_view.read(run.path, workspace).tags


def test_runs_from_before_have_no_convention(planned: Written) -> None:
    run = planned()
    facts: Any = run.facts()
    del facts["conventions"]
    run.provenance.write_text(json.dumps(facts), encoding="utf-8")
    row = runs_table.row_of(RunDir(run.path))
    assert (row["conventions"], row["convention_mismatch"]) == (None, False)


def crowded_pages(folder: Path) -> Path:
    for number in range(1, 7):
        write_image(folder / f"{number}.png", shade=number)
        lines = page_line(1, "in principio") + page_line(2, f"{number} " + "ab" * 60, baseline="10,150 60,150",
                                                         coords="10,110 10,160 60,160 60,110")  # fmt: skip
        put(folder, page_xml(lines, image=f"{number}.png"), f"{number}.xml")
    return folder


def test_lines_that_do_not_fit_are_warned_of_and_recorded(planned: Written, tmp_path: Path) -> None:
    run = planned(
        f"dataset.path={crowded_pages(tmp_path / 'crowded')}", "model=none", "model.path=null", "architecture=small"
    )
    (warning,) = [one for one in run.facts()["warnings"] if "columns" in one]
    assert warning.startswith(
        "about 4 of 8 training lines (4 for certain) have more characters than the network leaves"
    )
    recorded = run.facts()["crowded_lines"]
    assert recorded["count"] == 4
    assert {one["line"] for one in recorded["certain"]} == {"l2"}


def test_characters_outside_the_table_stop_a_training(htr_exp: CommandLine, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("char,replacement,allow,regex\n[a-np-z],,true,true\no,ꝋ,,\n", encoding="utf-8")
    done = htr_exp.train(f"dataset.characters={table}", "--dry-run")
    assert done.code == 2
    assert f"dataset.characters={table}: " in done.stderr
    assert "6 characters of the dataset are not in this table: " in done.stderr
    assert " 1 U+0031 (9 times, " in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_table_has_others_for_is_warned_of(made: Callable[..., Plan], tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("char,replacement,allow,regex\n[a-np-z0-9],,true,true\no,ꝋ,,\n", encoding="utf-8")
    (warning,) = made(f"dataset.characters={table}").warnings
    assert f"dataset.characters={table} has others for 1 character: o U+006F by ꝋ U+A74B (" in warning
