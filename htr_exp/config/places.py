"""The folders and files of this machine that a configuration names."""

from __future__ import annotations

import importlib.util
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from htr_exp.config.login import login_problem
from htr_exp.config.schema import Experiment
from htr_exp.config.site_folders import site_folders
from htr_exp.core.problem import Problem
from htr_exp.core.text import printable


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


def shipped_places(site: str, folder: Path) -> Places:
    """The folders of a shipped site in a folder of this machine, found without Hydra, which takes its time."""
    found = site_folders(site)
    return Places(*((folder / found[key]).absolute() for key in ("workspace", "runs", "cache", "models")))


def problems(experiment: Experiment) -> list[Problem]:
    """Why the folders of this machine cannot be used: records, lists of pages and shell scripts hold their names, a line each, in UTF-8."""
    site = experiment.site
    named = {"workspace": site.workspace, "runs": site.runs, "cache": site.cache, "models": site.models}
    found = [
        Problem(
            f"site.{key}={printable(path)}: the folder is {printable(folder)}, whose name holds {what}",
            "choose a folder without, or rename it",
            f"site.{key}",
        )
        for key, path in named.items()
        if (what := _unusable(folder := str(absolute(path))))
    ]
    return found if (of_login := login_problem(site.login)) is None else [*found, of_login]


def _unusable(folder: str) -> str | None:
    if any(unicodedata.category(sign) == "Cs" for sign in folder):
        return "bytes that are not UTF-8"
    return (
        "a line break or another control character"
        if any(unicodedata.category(sign) == "Cc" for sign in folder)
        else None
    )


def dataset_folders(experiment: Experiment) -> list[Path]:
    """The dataset's folders, and files that stand for one, absolute; empty if none is named."""
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
