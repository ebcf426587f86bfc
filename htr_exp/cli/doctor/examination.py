"""The whole examination, section by section, in the order in which a scholar asks: kraken, models, room, machine, cluster, records."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import platformdirs

from htr_exp.cli.composition import repeat_site
from htr_exp.cli.doctor import cluster, folders, kraken, machine, models, records, software
from htr_exp.cli.doctor.finding import Finding, finding_of, ok, warning
from htr_exp.cli.doctor.folders import Folder
from htr_exp.config import compose, rules
from htr_exp.config.places import dataset_folders, places_of
from htr_exp.config.schema import Experiment
from htr_exp.config.site_choice import SHIPPED
from htr_exp.core.machine import allocation
from htr_exp.pipeline.plan_checks import setting_problems

Section = tuple[str, Iterator[Finding]]


def examine(words: Sequence[str], config_dirs: Sequence[Path] = ()) -> Iterator[Section]:
    """Yield each section's title and its findings, which are looked for as they are asked for.

    Args:
        words: `key=value` and `group=choice` as typed: what a training with them would use is examined; of groups that
            are not named, all that is here.
        config_dirs: the user's config folders, strongest first.

    Raises:
        ConfigError: the words cannot be composed.
    """
    composed = compose.compose_experiment(words, config_dirs)
    repeat_site(composed.site)
    experiment = composed.experiment
    places = places_of(experiment)
    images = Path(experiment.site.images).expanduser().absolute()
    asked = {word.partition("=")[0].partition(".")[0] for word in words}
    submits = experiment.slurm.submit and allocation() is None  # in a job, this is where runs work
    sections: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("kraken", lambda: kraken.findings(experiment, images, asked="runtime" in asked, words=words)),
        ("Base models", lambda: models.findings(experiment, places.models, config_dirs, asked="model" in asked)),
        (
            "Folders and disks",
            lambda: chain(_site(composed), folders.findings(_folders(experiment, images, asked), shared=submits)),
        ),
        ("This machine", lambda: machine.findings(runs_here=not submits, device=experiment.training.device)),
        ("Slurm", lambda: cluster.findings(experiment)),
        ("MLflow", lambda: records.findings(experiment.tracking, places.workspace)),
        (software.TITLE, lambda: software.findings(needed=_extras(experiment, asked))),
    ]
    if words:
        sections.insert(0, ("What was asked for", lambda: _words(composed, words, asked)))
    for title, look in sections:
        yield title, look()


def _words(composed: compose.Composed, words: Sequence[str], asked: set[str]) -> Iterator[Finding]:
    """Say whether a training would take the words; what Slurm says of them has its own section."""
    experiment = composed.experiment
    of_slurm = set(rules.job_problems(experiment)) if experiment.slurm.submit else set()
    unasked = {"tracking", *({"dataset", "model"} - asked)}  # MLflow has its own section
    left = [
        problem
        for problem in dict.fromkeys(setting_problems(composed))
        if problem.where not in unasked and problem not in of_slurm
    ]
    for problem in left:
        yield finding_of("words", problem, "change it on the command line")
    if not left:
        yield ok("words", f"{' '.join(words)}: a training takes them")


def _site(composed: compose.Composed) -> Iterator[Finding]:
    """Say whose words decide which folders are meant."""
    if composed.site.source != SHIPPED:
        yield ok("site", f"{composed.experiment.site.name}: so says {composed.site.source}")
    for said in composed.warnings:
        yield warning("configuration", said)


def _extras(experiment: Experiment, asked: set[str]) -> frozenset[str]:
    found = {"mlflow"} if experiment.tracking.kind == "embedded" else set()
    own = experiment.runtime.kind == "host" and experiment.runtime.ketos is None
    return frozenset(found | ({"kraken"} if own and "runtime" in asked else set()))


def _folders(experiment: Experiment, images: Path, asked: set[str]) -> list[Folder]:
    places, site = places_of(experiment), experiment.site
    home = Path.home()
    found = [
        Folder("workspace", places.workspace, "site.workspace", written=True),
        Folder("runs", places.runs, "site.runs", written=True),
        Folder("cache", places.cache, "site.cache", written=True),
        Folder("ground truth", Path(site.ground_truth).expanduser().absolute(), "site.ground_truth", written=False),
        Folder("models", places.models, "site.models", written=False),
        Folder("images", images, "site.images", written=False),
        Folder("your home", home, "HOME", written=True, unusable="warning"),
        Folder(
            "your cache", platformdirs.user_cache_path("htr_exp"), "XDG_CACHE_HOME", written=True, unusable="warning"
        ),
        Folder("temporary files", Path(os.environ.get("TMPDIR") or "/tmp").absolute(), "TMPDIR", written=True),  # noqa: S108
    ]
    if "dataset" in asked:
        found += [
            Folder("dataset", path.parent if path.is_file() else path, "dataset.path", written=False, needed=True)
            for path in dataset_folders(experiment)
        ]
    return found
