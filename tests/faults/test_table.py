"""The figures of the walk that docs/faults.md shows are those of its log."""

from __future__ import annotations

import runpy

from helpers.folders import CHECKOUT

MADE = runpy.run_path(str(CHECKOUT / "benchmarks/faults_table.py"))


def test_the_page_shows_the_figures_of_the_log() -> None:
    page = (CHECKOUT / "docs/faults.md").read_text("utf-8")
    assert MADE["table"]() in page, "put what `python -m benchmarks.faults_table` prints into docs/faults.md"


def test_the_log_names_no_path_of_a_machine() -> None:
    assert "/" not in MADE["LOG"].read_text("utf-8")
