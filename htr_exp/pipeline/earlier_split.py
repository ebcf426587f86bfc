"""Which pages have changed their side since the last run with the same question to the same dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from htr_exp.config.schema import Experiment
from htr_exp.core.errors import ConfigError
from htr_exp.core.text import counted
from htr_exp.groundtruth.model import Dataset
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in
from htr_exp.splits.from_config import DRAWN
from htr_exp.splits.recorded import moved, moves, of_run
from htr_exp.splits.split import Split

_LOOKED_AT = 20  # runs, the newest first


def moved_since(
    experiment: Experiment, dataset: Dataset, folders: Sequence[Path], split: Split, runs: Path
) -> str | None:
    """Say which pages are on another side than in the last run of this dataset with the same keys of `split`.

    Args:
        experiment: as composed.
        dataset: read from `folders`.
        folders: of the dataset.
        split: drawn for it.
        runs: the folder of the workspace's runs.

    Returns:
        A sentence; None where nothing has moved, or there is no such run.
    """
    if experiment.split.kind not in DRAWN:
        return None
    name, wanted = experiment.dataset.name or folders[0].name, asdict(experiment.split)
    newest = sorted(runs_in(runs), key=lambda run: -run.manifest.stat().st_mtime_ns)[:_LOOKED_AT]
    for run in newest:
        if not _asked_the_same(run, name, wanted):
            continue
        try:
            found = moves(of_run(run), split, dataset.pages)
        except ConfigError:
            return None
        if not found:
            return None
        keep = f"split=of_run split.run={run.name} keeps every page on its side"
        return f"since run {run.name} {counted(len(found), 'page')} changed the side: {moved(found)}; {keep}"
    return None


def _asked_the_same(run: RunDir, dataset: str, split: dict[str, Any]) -> bool:
    try:
        facts = run.facts()
        if facts["dataset"]["name"] != dataset or facts["split"]["kind"] is None:
            return False
        return bool(run.configuration()["split"] == split)
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return False
