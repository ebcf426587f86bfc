"""Runs side by side: what compares, at the width of a small terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from htr_exp.core.files import read_json, write_json
from htr_exp.core.run_state import RunState
from htr_exp.runs import certainty, compare_csv, compare_table, told_apart
from htr_exp.runs.rows import compared_rows, row_of
from htr_exp.runs.run_dir import RunDir


def score(cer: float) -> dict[str, Any]:
    return {"cer": cer, "cer_raw": cer, "wer": 0.5, "errors": 1, "characters": 100, "lines": 5, "pages": 1}


class Maker:
    """Writes run folders as trainings and evaluations leave them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        name: str,
        *,
        cer: float = 0.1,
        base: float = 0.3,
        test: str = "a" * 64,
        dataset: str = "odalricus",
        verb: str = "train",
        settings: dict[str, Any] | None = None,
        digest: str = "d" * 64,
        **more: Any,
    ) -> RunDir:
        run = RunDir(self.folder / name)
        run.live.mkdir(parents=True)
        experiment = {"task": {"name": "recognition"}, "training": settings or {}}
        facts = {
            "run": {"key": name, "task": "recognition", "verb": verb}, "dataset": {"name": dataset, "digest": digest},
            "split": {"test_digest": test}, "software": {"kraken": "7.1.1"}, "model": {"name": "tridis"},
        } | more  # fmt: skip
        run.seal({"experiment.yaml": yaml.safe_dump(experiment)})
        write_json(run.provenance, facts)
        trained = {"test": {"base": score(base), "best": score(cer)}, "validation": {"best": score(cer)}}
        write_json(run.results, {"test": {"model": score(base)}} if verb == "evaluate" else trained)
        run.seal({})
        run.seal_results()
        run.write_state(RunState.DONE)
        return run


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def table(*runs: RunDir, width: int = 80) -> str:
    out = Console(width=width, record=True, file=io.StringIO())
    compare_table.show_table(out, *compared_rows(runs)[:2])
    return out.export_text()


def result(run: RunDir) -> str:
    out = Console(width=300, record=True, file=io.StringIO())
    compare_table.show_result(out, row_of(run))
    return out.export_text()


def test_runs_on_one_test_say_on_which(make: Maker) -> None:
    said = table(make("a"), make("b"))
    assert "test: pages of odalricus (digest aaaaaaaa)" in said
    assert "do not compare" not in said


def test_runs_on_different_test_pages_are_marked_and_stand_apart(make: Maker) -> None:
    runs = [make("a", cer=0.2), make("b", cer=0.05, test="b" * 64, dataset="summa"), make("c", cer=0.1)]
    rows, _, _ = compared_rows(runs)
    assert [row["run"] for row in rows] == ["c", "a", "b"]
    assert [(row["dataset"], row["test_digest"]) for row in rows[1:]] == [("odalricus", "a" * 64), ("summa", "b" * 64)]
    said = table(*runs)
    lines = {line.split()[0]: line.split()[1] for line in said.splitlines() if line[:2] in ("a ", "b ", "c ")}
    assert lines == {"c": "1", "a": "1", "b": "2"}
    assert "test 1: pages of odalricus (digest aaaaaaaa)" in said
    assert "test 2: pages of summa (digest bbbbbbbb)" in said
    assert "scores on different test pages do not compare" in said


def test_runs_on_one_test_that_learnt_from_other_ground_truth_are_marked(make: Maker) -> None:
    said = table(make("a"), make("b", digest="e" * 64), make("c"))
    lines = {line.split()[0]: line.split()[1] for line in said.splitlines() if line[:2] in ("a ", "b ", "c ")}
    assert lines == {"a": "1", "b": "2", "c": "1"}
    assert "data: the ground truth of runs with different numbers differs" in " ".join(said.split())


def test_other_ground_truth_is_not_said_twice(make: Maker) -> None:
    """Where the test pages differ already, or nothing does."""
    assert "ground truth" not in table(make("a"), make("b", digest="e" * 64, test="b" * 64))
    assert "ground truth" not in table(make("c"), make("d"))


def test_pages_that_runs_left_out_are_shown(make: Maker) -> None:
    before = [{"page": "f1.xml", "run": "r"}]
    said = table(make("a", left_out={"excluded": ["f1.xml", "f2.xml"], "scored_before": before}), make("b"), width=120)
    assert "2 excluded, 1 scored before" in next(line for line in said.splitlines() if line.startswith("a "))
    assert "a: leaves out 1 page that an earlier run was scored on: f1.xml (r)" in said
    assert "left out" not in table(make("c"), make("d"))


def test_evaluations_and_trainings_stand_apart_and_what_is_evaluated_is_no_base(make: Maker) -> None:
    trained, evaluated = make("a"), make("e", verb="evaluate")
    first, second = table(trained, evaluated).split("\nrecognition: evaluations\n")
    assert ("a " in first, "base test CER" in " ".join(first.split())) == (True, True)
    assert "base test" not in second
    assert "30.00 %" in second
    out = Console(width=80, record=True, file=io.StringIO())
    compare_table.show_result(out, row_of(evaluated))
    assert "base CER" not in (said := out.export_text())
    assert "evaluated CER" in said


def test_forty_runs_that_differ_in_thirty_settings_are_readable_in_eighty_columns(make: Maker) -> None:
    runs = [
        make(
            f"odalricus-tridis-{number:08x}",
            settings={f"setting_{key}": number * 1000 + key for key in range(30)},
        )
        for number in range(40)
    ]
    said = table(*runs)
    lines = said.splitlines()
    assert max(map(len, lines)) <= 80
    of_runs = [line for line in lines if line.startswith("odalricus-tridis-")]
    assert len(of_runs) == 40
    assert all("10.00 %" in line and "30.00 %" in line and "done" in line for line in of_runs)
    assert "more settings differ: training.setting_" in " ".join(said.split())
    assert "compare --csv` has all" in " ".join(said.split())
    wide = table(*runs, width=1000)
    assert all(f"training.setting_{key}" in wide for key in range(30))
    assert "more setting" not in wide


def test_settings_that_no_shown_run_has_otherwise_are_no_columns(make: Maker) -> None:
    said = table(make("a", settings={"lrate": 1, "lag": 5}), make("b", settings={"lrate": 2, "lag": 5}))
    assert "training.lrate" in said
    assert "lag" not in said


def test_a_model_that_training_made_worse_is_said_to_be(make: Maker) -> None:
    worse, better = make("w", cer=0.4, base=0.3), make("b")
    assert "w: worse than its base model: test CER 30.00 % before training, 40.00 % after it" in " ".join(
        table(worse, better).split()
    )
    assert "worse" not in table(better)
    out = Console(width=120, record=True, file=io.StringIO())
    compare_table.show_result(out, row_of(worse))
    assert "worse than its base model" in out.export_text()


def test_a_run_that_was_changed_is_marked(make: Maker) -> None:
    run = make("a")
    run.results.write_text(run.results.read_text().replace("0.1", "0.0"))
    said = table(run, make("b"))
    assert "changed" in next(line for line in said.splitlines() if line.startswith("a "))
    assert "a: changed since it was written: results.json" in said
    rows, _, _ = compared_rows([run])
    assert rows[0]["seals"] == ["results.json"]


def test_a_spreadsheet_has_every_figure_and_every_setting_that_differs(make: Maker) -> None:
    rows, varied, _ = compared_rows([make("a", settings={"lrate": 1}), make("b", settings={"lrate": 2})])
    file = io.StringIO()
    compare_csv.write_csv(file, rows, varied)
    read = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [(row["run"], row["training.lrate"], row["test_cer"]) for row in read] == [
        ("a", "1", "0.1"),
        ("b", "2", "0.1"),
    ]
    assert read[0]["seals"] == "ok"


def test_a_spreadsheet_has_the_errors_by_kind_and_nothing_where_an_older_run_has_not_counted_them(make: Maker) -> None:
    runs = [make("new"), make("old", cer=0.2)]
    kinds = {"insertions": 1, "deletions": 0, "substitutions": 3}
    write_json(runs[0].results, {"test": {"base": score(0.3), "best": score(0.1) | kinds | {"errors": 4}}})
    rows, varied, _ = compared_rows(runs)
    file = io.StringIO()
    compare_csv.write_csv(file, rows, varied)
    read = {row["run"]: row for row in csv.DictReader(io.StringIO(file.getvalue()))}
    keys = [f"test_{key}" for key in ("errors", *kinds)]
    assert [read["new"][key] for key in keys] == ["4", "1", "0", "3"]
    assert [read["old"][key] for key in keys] == ["1", "", "", ""]


def counted_score(errors: Sequence[int], **more: Any) -> dict[str, Any]:
    """The figures of a model over pages of 1,000 characters each, as recognition leaves them."""
    cer = sum(errors) / (1000 * len(errors))
    per_page = [{"page": f"{number}.xml", "errors": one, "characters": 1000} for number, one in enumerate(errors)]
    counts = {"errors": sum(errors), "characters": 1000 * len(errors), "pages": len(errors), "units": len(errors)}
    return score(cer) | counts | {"cer_low": cer * 0.8, "cer_high": cer * 1.25, "per_page": per_page} | more


def counted(
    make: Maker, name: str, errors: Sequence[int], *, gain: dict[str, Any] | None = None, **more: Any
) -> RunDir:
    run = make(name)
    trained = counted_score(errors, **more)
    write_json(run.results, {"test": {"base": score(0.3), "best": trained}, "validation": {"best": score(trained["cer"])}, "gain": {"test": gain}})  # fmt: skip
    run.seal_results()
    return run


GAINED = {"cer": 0.05, "cer_low": 0.03, "cer_high": 0.07, "p": 0.001, "sign_p": 0.0625, "detectable": 0.028, "units": 5}

PAGES = (80, 95, 61, 120, 73)
MUCH_BETTER = (40, 52, 30, 75, 38)
NO_BETTER = (81, 93, 64, 118, 70)


def test_runs_that_the_test_pages_cannot_tell_apart_are_of_one_group(make: Maker) -> None:
    runs = [counted(make, "a", PAGES), counted(make, "b", MUCH_BETTER), counted(make, "c", NO_BETTER), counted(make, "d", [one + 1 for one in MUCH_BETTER[:-1]] + [30])]  # fmt: skip
    said = table(*runs, width=160)
    group_of = {line.split()[0]: line.split()[1] for line in said.splitlines() if line[:2] in ("a ", "b ", "c ", "d ")}
    assert group_of == {"a": "2", "b": "1", "c": "2", "d": "1"}
    assert "cannot tell the runs of one group apart from its best one (95 %, paired over pages, corrected for 4 runs by Holm)" in " ".join(said.split())  # fmt: skip


def test_runs_on_different_test_pages_are_not_grouped_together(make: Maker) -> None:
    assert told_apart.groups(compared_rows([counted(make, "a", PAGES), counted(make, "b", PAGES[:4])])[0]) == {}


@pytest.mark.parametrize(("margin", "second"), [(0.0001, False), (0.05, True)])
def test_a_run_is_no_worse_where_its_whole_interval_says_so(make: Maker, margin: float, second: bool) -> None:
    rows, varied, _ = compared_rows(
        [counted(make, "best", PAGES), counted(make, "nearly", [*(one + 1 for one in PAGES[:3]), *PAGES[3:]])]
    )
    found = told_apart.no_worse(rows, margin)
    assert [found[row["folder"]] for row in sorted(rows, key=lambda row: row["run"])] == [True, second]
    out = Console(width=160, record=True, file=io.StringIO())
    compare_table.show_table(out, rows, varied, margin)
    said = out.export_text()
    assert f"not by more than {100 * margin:g} points" in said
    assert ("?" in next(line for line in said.splitlines() if line.startswith("nearly"))) is not second
    assert "no worse" not in table(*[RunDir(Path(row["folder"])) for row in rows], width=160)


def test_the_interval_stands_beside_the_test_cer(make: Maker) -> None:
    said = table(counted(make, "a", PAGES), make("old"), width=160)
    (row,) = (line for line in said.splitlines() if line.startswith("a "))
    assert "8.58 %  6.86 to 10.72 %" in row
    assert "95 %" in said.splitlines()[0]
    assert "95 %" not in table(make("older"), width=160)


@pytest.mark.parametrize(
    ("errors", "more", "said"),
    [
        (PAGES[:1], {"cer_low": None, "cer_high": None}, [certainty.ALONE]),
        (PAGES[:2], {}, [certainty.TOO_FEW]),
        (PAGES * 7, {}, []),
    ],
)
def test_a_table_of_runs_on_one_or_few_test_pages_says_what_it_does_not_hold(
    make: Maker, errors: Sequence[int], more: dict[str, Any], said: list[str]
) -> None:
    shown = table(counted(make, "a", errors, **more), counted(make, "b", errors, **more), width=160)
    assert [one for one in (certainty.ALONE, certainty.TOO_FEW) if one in shown] == said


@pytest.mark.parametrize(
    ("errors", "more", "gain", "said"),
    [
        (PAGES, {}, GAINED, ["test CER 8.58 %; on other pages like these 6.86 % to 10.72 % (95 %, over 5 pages; too few pages to bound a rare bad page)",
                             "gain 5.00 points, 3.00 to 7.00 (95 %, on the same lines)"]),
        (PAGES, {}, GAINED | {"cer_low": -0.01}, ["gain 5.00 points, -1.00 to 7.00 (95 %, on the same lines): it may be chance; a gain of about 2.80 points could be seen on these pages"]),
        (PAGES * 7, {}, None, ["(95 %, over 35 pages)"]),
        (PAGES, {"units": 2}, None, ["over 2 groups of pages; too few"]),
        (PAGES[:1], {"cer_low": None, "cer_high": None}, None, ["one test page: nobody can say what the CER of other pages would be"]),
    ],
)  # fmt: skip
def test_the_end_of_a_run_says_how_sure_its_figures_are(
    make: Maker, errors: Sequence[int], more: dict[str, Any], gain: dict[str, Any] | None, said: list[str]
) -> None:
    shown = result(counted(make, "a", errors, gain=gain, **more))
    for one in said:
        assert one in shown


@pytest.mark.parametrize(
    "damage",
    [{"units": "5"}, {"per_page": 3}, {"per_page": [{"page": "0.xml"}]}, {"per_page": [{"page": 3, "errors": 1}]}, {"cer_low": "x"}],
)  # fmt: skip
def test_counts_that_are_none_give_no_intervals(make: Maker, damage: dict[str, Any]) -> None:
    runs = [counted(make, "a", PAGES, **damage), counted(make, "b", MUCH_BETTER)]
    assert told_apart.groups(compared_rows(runs)[0]) == {}
    table(*runs)


def test_a_gain_that_lacks_its_interval_is_none(make: Maker) -> None:
    assert row_of(counted(make, "a", PAGES, gain={"cer": 0.1}))["gain"] is None


def test_what_the_trainings_cost_stands_below_their_table_and_in_the_records(make: Maker) -> None:
    runs = [make("a"), make("b"), make("c", verb="evaluate")]
    for run, energy in zip(runs, (1000.0, 500.0)):
        run.write_epochs(
            [{"epoch": 1, "val_cer": 0.1, "seconds": 90.0, "cpu_s": 100.0, "memory_gb": 2.5, "energy_wh": energy}]
        )
        write_json(run.results, read_json(run.results) | {"device": "cuda:0"})
        run.seal_results()
    said = " ".join(table(*runs, width=200).split())
    assert (
        "cost of 2 trainings: 3 min of epochs on a GPU; CPU time 3 min; at most 2.50 GB of memory at once in one run; "
        "energy of the GPUs 1.5 kWh"
    ) in said
    found = {row["run"]: row["cost"] for row in compared_rows(runs)[0]}
    assert found["c"] is None
    assert found["a"]["gpu_energy_wh"] == 1000.0
    assert "cost of" not in table(runs[2])
