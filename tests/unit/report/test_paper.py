"""The paper bundle: the figures of the records, in LaTeX and CSV, to the same bytes each time; nothing of the author's is overwritten."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.reports import Page, figures, scored_run
from htr_exp.core.errors import ConfigError
from htr_exp.core.files import read_json, sha256_file, write_json
from htr_exp.report.paper import figures as paper_figures
from htr_exp.report.paper.bundle import MANIFEST, files_of, write_bundle
from htr_exp.report.paper.checklist import checklist
from htr_exp.report.paper.evidence import Evidence, evidence
from htr_exp.report.paper.figures import LONGEST, label
from htr_exp.report.paper.latex import escaped
from htr_exp.report.paper.methods import methods
from htr_exp.report.paper.table import condition_tables, paper_table
from htr_exp.runs.costs import said
from htr_exp.runs.run_dir import RunDir

PAGES = {"a_1.xml": (30, 300), "b&2.xml": (20, 300)}
AFTER = {"a_1.xml": (12, 300), "b&2.xml": (9, 300)}


def counted(errors: int, pages: dict[str, tuple[int, int]], low: float | None, high: float | None) -> dict[str, Any]:
    return figures(errors, 600, pages, units=2, cer_low=low, cer_high=high)


def results(**more: Any) -> dict[str, Any]:
    gain = {"cer": 0.0483, "cer_low": 0.01, "cer_high": 0.08, "p": 0.01, "sign_p": 0.5, "detectable": 0.02, "units": 2}
    return {
        "test": {"base": counted(50, PAGES, 0.05, 0.12), "best": counted(21, AFTER, 0.02, 0.06)},
        "validation": {"best": figures(10, 200)},
        "gain": {"test": gain},
        "device": "cpu",
    } | more  # fmt: skip


def made(
    folder: Path,
    name: str = "one",
    *,
    settings: dict[str, Any] | None = None,
    seed: int = 1,
    lrate: float = 0.001,
    split_pages: int | None = None,
    **more: Any,
) -> RunDir:
    """A run folder with intervals and settings."""
    facts = {
        "dataset": {
            "name": "odalricus", "digest": "d" * 64, "folders": [], "pages": 8, "lines": 16, "characters": 2400,
            "read": {}, "dropped": {}, "format": "xml",
        },
        "split": {
            "digest": "e" * 64, "test_digest": "9" * 64, "seed": 0, "kind": "drawn", "by": "page",
            "train": {"pages": 4, "lines": 8}, "validation": {"pages": 2, "lines": 4}, "test": {"pages": 2, "lines": 4},
        },
    }  # fmt: skip
    path = scored_run(folder / name, more.pop("results", results()), curve=(0.2, 0.1))
    run = RunDir(path)
    write_json(run.provenance, read_json(run.provenance) | facts | more)
    training = {"lrate": lrate, "augment": False} | (settings or {})
    experiment = {"question": "rates", "seed": seed, "split": {"train_pages": split_pages}, "training": training}
    run.seal({"experiment.yaml": yaml.safe_dump(experiment)})
    run.seal_results()
    return RunDir(path)


def found(*runs: RunDir) -> Evidence:
    return evidence("the runs", runs)


def test_the_table_has_the_figures_of_the_record(tmp_path: Path) -> None:
    table = paper_table(found(made(tmp_path)))
    (row,) = csv.DictReader(io.StringIO(table.csv()))
    assert row == {
        "run": "one", "train pages": "4", "zero-shot CER": "8.33", "CER": "3.50", "95 %": "2.00 to 6.00",
        "gain": "4.83", "gain, 95 %": "1.00 to 8.00", "WER": "3.50", "validation CER": "5.00",
    }  # fmt: skip
    assert table.caption == "CER in percent on the test pages of odalricus (2 pages, 4 lines, 600 characters)."
    assert "Too few pages to bound a rare bad page." in table.notes


def test_the_part_of_reading_stands_beside_the_cer_and_who_lacks_it_is_named(tmp_path: Path) -> None:
    scores = results()
    parts = {"cer_reading": 0.02, "cer_reading_low": 0.01, "cer_reading_high": 0.04}
    scores["test"] = {"base": scores["test"]["base"] | {"cer_reading": 0.05}, "best": scores["test"]["best"] | parts}
    table = paper_table(found(made(tmp_path, "divided", results=scores), made(tmp_path, "older", seed=2)))
    rows = {row["seed"]: row for row in csv.DictReader(io.StringIO(table.csv()))}
    assert (rows["1"]["zero-shot reading"], rows["1"]["reading"], rows["1"]["reading, 95 %"]) == (
        "5.00", "2.00", "1.00 to 4.00",
    )  # fmt: skip
    assert (rows["2"]["CER"], rows["2"]["zero-shot reading"], rows["2"]["reading"]) == ("3.50", "", "")
    assert "| reading |" in table.markdown()
    assert any("1 of 2 runs did not divide the CER" in note and "older" in note for note in table.notes)


def test_runs_are_told_apart_by_what_varies(tmp_path: Path) -> None:
    low, high = made(tmp_path, "low", settings={"lrate": 1e-4}), made(tmp_path, "high", settings={"lrate": 1e-2})
    table = paper_table(found(low, high))
    assert table.headings[0] == "lrate"
    assert {row[0] for row in table.rows} == {"0.0001", "0.01"}
    assert "group" in table.headings


def test_figures_tell_runs_apart_whose_long_names_begin_alike(tmp_path: Path) -> None:
    long = {"schedule": "a_schedule_with_a_very_long_name_of_its_own"}
    runs = [made(tmp_path, f"long-{seed}", settings=long, seed=seed) for seed in (1, 2)]
    several = found(*runs, made(tmp_path, "other", settings={"schedule": "constant"}))
    labels = [label(several, one) for one in several.runs]
    assert len(set(labels)) == len(labels)
    assert "schedule=a_sched..._name_of_its_own\nseed=1" in labels
    assert all(len(line) <= LONGEST for one in labels for line in one.splitlines())


def test_latex_prints_what_has_a_meaning_there(tmp_path: Path) -> None:
    assert escaped(r"a_1 & 50 % \x{~^}$#") == (
        r"a\_1 \& 50 \% \textbackslash{}x\{\textasciitilde{}\textasciicircum{}\}\$\#"
    )
    written = paper_table(found(made(tmp_path, "a_b&c"))).latex()
    (line,) = [line for line in written.splitlines() if line.startswith("a\\_b")]
    assert line.startswith(r"a\_b\&c & 4 & 8.33 & 3.50 & 2.00 to 6.00 & 4.83")
    assert line.endswith(r" \\")
    assert not re.search(r"(?<!\\)%(?! needs)", written)


def test_the_bundle_is_the_same_again_and_needs_no_network(tmp_path: Path) -> None:
    run = found(made(tmp_path))
    first, second = write_bundle(run, tmp_path / "first"), write_bundle(run, tmp_path / "second")
    assert first.files == second.files
    assert {"index.html", "table.tex", "cer.pdf", "cer.png", "cer_by_page.csv", "curves.pdf", MANIFEST} <= {
        *first.files
    }
    for name in first.files:
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name
    assert write_bundle(run, tmp_path / "first").changed == ()
    page = Page((first.folder / "index.html").read_bytes())
    assert all(str(picture["src"]).startswith("data:image/png;base64,") for picture in page.all("img"))
    assert len(page.all("img")) == 3
    assert not page.all("script")
    files = json.loads((first.folder / MANIFEST).read_text())["files"]
    assert files == {name: sha256_file(first.folder / name) for name in first.files if name != MANIFEST}


def test_figures_show_the_figures_of_the_record(tmp_path: Path) -> None:
    shown = found(made(tmp_path))
    scores, pages = paper_figures._scores(shown), paper_figures._pages(shown.runs[0])
    curves = paper_figures._curves(shown)
    drawn = [
        [line.get_xydata()[:, 0].round(2).tolist() for line in figure.axes[0].lines]  # type: ignore[union-attr, index]
        for figure in (scores, pages)
        if figure is not None
    ]
    assert drawn == [[[2.0, 6.0], [8.33], [3.5]], [[10.0, 4.0], [10.0], [4.0], [6.67, 3.0], [6.67], [3.0]]]
    assert curves is not None
    assert curves.axes[0].lines[0].get_xydata().tolist() == [[1.0, 20.0], [2.0, 10.0]]  # type: ignore[union-attr]


def test_the_user_s_own_settings_of_matplotlib_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    run = found(made(tmp_path))
    write_bundle(run, tmp_path / "plain")
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 9.0)
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 20.0)
    assert write_bundle(run, tmp_path / "own").files
    assert (tmp_path / "own" / "cer.png").read_bytes() == (tmp_path / "plain" / "cer.png").read_bytes()


def test_what_the_author_changed_is_not_overwritten(tmp_path: Path) -> None:
    run, out = found(made(tmp_path)), tmp_path / "out"
    write_bundle(run, out)
    (out / "methods.md").write_text("My own words.")
    with pytest.raises(ConfigError, match=r"changed since they were written: methods\.md"):
        write_bundle(run, out)
    assert (out / "methods.md").read_text() == "My own words."


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    run = found(made(tmp_path))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(ConfigError, match=r"files that are no report: chapter\.tex"):
        write_bundle(run, tmp_path / "thesis")
    with pytest.raises(ConfigError, match="it is a file"):
        write_bundle(run, tmp_path / "thesis" / "chapter.tex")


def test_a_manifest_that_names_files_elsewhere_removes_nothing(tmp_path: Path) -> None:
    run, out = found(made(tmp_path)), tmp_path / "out"
    write_bundle(run, out)
    elsewhere = tmp_path / "kept.txt"
    elsewhere.write_text("kept")
    manifest = json.loads((out / MANIFEST).read_text())
    manifest["files"]["../kept.txt"] = sha256_file(elsewhere)
    (out / MANIFEST).write_text(json.dumps(manifest))
    write_bundle(run, out)
    assert elsewhere.exists()


def test_runs_without_scores_are_named_and_changed_ones_refused(tmp_path: Path) -> None:
    good, failed, edited = made(tmp_path, "good"), made(tmp_path, "failed"), made(tmp_path, "edited")
    (failed.live / "state.json").write_text(
        json.dumps({"state": "failed", "reason": "out of memory", "stage": None, "since": "2026-03-01T11:00:00Z"})
    )
    both = found(good, failed)
    assert both.without == (("failed", "out of memory"),)
    assert any("failed (out of memory)" in note for note in paper_table(both).notes)
    with pytest.raises(ConfigError, match="no run has scores: failed"):
        found(failed)
    unread = made(tmp_path, "unread")
    unread.results.write_text("NaN")
    unread.seal_results()
    assert found(good, unread).without == (("unread", "its results.json has no scores, or cannot be read"),)
    edited.results.write_text(edited.results.read_text().replace("21", "2"))
    with pytest.raises(ConfigError, match=r"edited: .*results\.json"):
        found(good, edited)


def test_the_methods_say_what_was_done(tmp_path: Path) -> None:
    said = methods(found(made(tmp_path)))
    for words in (
        "The ground truth odalricus has 8 pages, 16 lines and 2400 characters",
        "split by page before training (seed 0): 4 pages (8 lines) to train, 2 pages (4 lines) to validate and 2 pages (4 lines) to test",
        "from the model tridis (SHA-256 ffffffffffff) with kraken 7.1.1",
        "learning rate 0.001; batch size",
        "another seed would give other figures",
    ):
        assert words in said


def test_several_test_sets_are_marked(tmp_path: Path) -> None:
    one = made(tmp_path, "one")
    other = made(
        tmp_path, "other", split={"digest": "1" * 64, "test_digest": "8" * 64, "seed": 1, "kind": "drawn", "by": "page"}
    )
    table = paper_table(found(one, other))
    assert "test" in table.headings
    assert any("do not compare" in note for note in table.notes)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed (texlive-latex-recommended)")
def test_latex_compiles_the_table(tmp_path: Path) -> None:
    table = paper_table(found(made(tmp_path, "a_b&c", settings={"note": r"é 50 % \x{~^}$#"}), made(tmp_path, "other")))
    document = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{table.latex()}\end{{document}}"
    (tmp_path / "paper.tex").write_text(document)
    said = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    assert said.returncode == 0, said.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000


def test_runs_that_differ_in_their_seed_are_one_row_of_a_table_of_their_own(tmp_path: Path) -> None:
    runs = [
        made(tmp_path, f"seed{seed}", seed=seed, lrate=lrate) for seed, lrate in ((1, 0.001), (2, 0.001), (3, 0.01))
    ]
    (table,) = condition_tables(found(*runs))
    assert [(row[0], row[1]) for row in table.rows] == [("lrate=0.001", "2"), ("lrate=0.01", "1")]
    assert dict(zip(table.headings, table.rows[0]))["sd over seeds"] == "0.00 %"
    written = write_bundle(found(*runs), tmp_path / "out")
    assert {"conditions.tex", "conditions.csv", "conditions.md"} <= {*written.files}
    page = Page((written.folder / "index.html").read_bytes())
    assert "sd over seeds" in page.text


def test_a_learning_curve_has_a_figure(tmp_path: Path) -> None:
    runs = [made(tmp_path, f"pages{count}", split_pages=count) for count in (1, 2, 4)]
    written = write_bundle(found(*runs), tmp_path / "out")
    assert "learning_curve.pdf" in written.files
    (table,) = condition_tables(found(*runs))
    assert [row[0] for row in table.rows] == ["zero-shot", "train_pages=1", "train_pages=2", "train_pages=4"]


def test_a_matrix_of_models_and_tests_has_its_table_and_its_figure(tmp_path: Path) -> None:
    runs = []
    for model, errors in (("tridis", 21), ("own", 50)):
        for test in ("hours", "letters"):
            scores = {"test": {"model": counted(errors, PAGES, 0.02, 0.06)}, "validation": {}, "device": "cpu"}
            run = made(tmp_path, f"{model}-{test}", results=scores, model={"name": model})
            facts = read_json(run.provenance)
            facts["run"] |= {"verb": "evaluate", "question": "rates"}
            facts["dataset"]["name"], facts["split"]["test_digest"] = test, test[0] * 64
            write_json(run.provenance, facts)
            run.seal({"experiment.yaml": run.experiment.read_text()})
            run.seal_results()
            runs.append(RunDir(run.path))
    matrix = found(*runs)
    (table,) = condition_tables(matrix)
    assert table.headings == ("test", "model", "CER", "95 % over pages", "group")
    assert table.figures == {"CER", "95 % over pages", "group"}
    assert [row[:2] for row in table.rows] == [
        (test, model) for test in ("hours", "letters") for model in ("own", "tridis")
    ]
    assert "trained with one seed" not in methods(matrix)
    assert "seeds:" not in str(checklist(matrix))
    assert "corrected for 2 runs by Holm); each test has groups of its own." in paper_table(matrix).notes[-1]
    assert table.caption == "rates: CER of each model on each test."
    written = write_bundle(matrix, tmp_path / "out")
    assert {"matrix.pdf", "matrix.png", "conditions.tex"} <= {*written.files}
    drawn = paper_figures._matrix(matrix)
    assert drawn is not None
    (axes,) = drawn.axes
    assert [[one.get_text() for one in ticks] for ticks in (axes.get_yticklabels(), axes.get_xticklabels())] == [
        ["own", "tridis"], ["hours", "letters"],
    ]  # fmt: skip
    shades = axes.images[0].get_array()
    assert shades is not None
    assert shades.round(2).tolist() == [[8.33, 8.33], [3.5, 3.5]]
    texts = {one.get_position(): one.get_text() for one in axes.texts}
    assert texts.keys() == {(0, 0), (1, 0), (0, 1), (1, 1)}
    assert re.fullmatch(r"3\.5\n\d+\.\d to \d+\.\d", texts[0, 1])


def test_a_forecast_is_in_the_table_the_figure_and_the_page(tmp_path: Path) -> None:
    runs = []
    for count, errors in ((1, 200), (2, 110), (4, 50), (None, 30)):
        best = figures(errors, 600, {"a_1.xml": (errors, 600)}, units=1, cer_low=None, cer_high=None)
        runs.append(made(tmp_path, f"pages{count}", split_pages=count, results=results(test={"best": best})))
    shown = found(*runs)
    (table,) = condition_tables(shown)
    last = dict(zip(table.headings, table.rows[-1]))
    assert last["condition"] == "16 pages, forecast"
    assert last["test CER"] == "2.08 %"
    assert re.fullmatch(r"0\.\d\d to \d+\.\d\d %", last["80 % of the forecast"])
    drawn = paper_figures._learning_curve(shown)
    assert drawn is not None
    (axes,) = drawn.axes
    assert [label.get_text() for label in axes.get_xticklabels()][-3:] == ["null", "8\n(forecast)", "16\n(forecast)"]
    (dashed,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    drawn_points = [(place, round(share, 2)) for place, share in dashed.get_xydata().tolist()]  # type: ignore[union-attr]
    assert drawn_points == [(2, 8.33), (4, 4.17), (5, 2.08)]
    assert (
        "Forecast (80 % intervals, on the same test pages): twice the pages (8)"
        in Page(files_of(shown)["index.html"]).text
    )


def test_the_cost_of_all_trainings_is_in_the_methods_and_the_checklists(tmp_path: Path) -> None:
    shown = found(made(tmp_path, "one"), made(tmp_path, "two", results=results(device="cuda:0")))
    spent = said(shown.cost)
    assert re.fullmatch(r"\d+ s of epochs on a GPU and \d+ s of epochs without a GPU; .*energy: not known", spent)
    assert f"Cost of training: {spent}; devices: cpu and cuda:0 (" in methods(shown)
    assert [one.answer for items in checklist(shown).values() for one in items if one.number in ("C1", "8")] == [
        f"2 runs, 2 of them trained: {spent}; devices: cpu and cuda:0"
    ] * 2
