"""The folders and files of this machine that a configuration names."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from htr_exp.config.schema import Experiment


@dataclass(frozen=True)
class Places:
    """Folders of this machine, absolute."""

    workspace: Path
    runs: Path
    cache: Path
    models: Path


def places_of(experiment: Experiment) -> Places:
    """The folders of this machine that the experiment names."""
    site = experiment.site
    return Places(*(absolute(path) for path in (site.workspace, site.runs, site.cache, site.models)))


def dataset_folders(experiment: Experiment) -> list[Path]:
    """The dataset's folders, absolute; empty if none is named."""
    path = experiment.dataset.path
    if path is None:
        return []
    return [absolute(str(one)) for one in (path if isinstance(path, list) else [path])]


def absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()


def kraken_file(name: str) -> Path | None:
    """A file of the kraken package installed beside this Python, or None; kraken is not imported."""
    spec = importlib.util.find_spec("kraken")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    return None
