"""The runs and folders that a command line names."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from htr_exp.cli.composition import composed_words, remember_site, repeat_site
from htr_exp.config.site_choice import is_site_word
from htr_exp.core.errors import ConfigError
from htr_exp.core.terminal import say

if TYPE_CHECKING:
    from htr_exp.config.places import Places
    from htr_exp.runs.run_dir import RunDir


def places_named(args: argparse.Namespace) -> Places:
    """The folders of the site that the command line, or the workspace itself, names."""
    if not hasattr(args, "places"):
        args.places = _places(args)
    return args.places  # type: ignore[no-any-return]


def _places(args: argparse.Namespace) -> Places:
    from htr_exp.config.choices import overlays
    from htr_exp.config.places import places_of, shipped_places
    from htr_exp.config.site_choice import chosen_site, is_shipped

    folder, folders = Path(args.workspace).expanduser(), overlays(args.config_dir)
    words = [word for word in args.runs if is_site_word(word)]
    if folder.resolve() != Path.cwd() and not any(word.startswith("site.workspace=") for word in words):
        words.append(f"site.workspace={folder.absolute()}")
    site = chosen_site(words, folders, folder)
    for said in site.notes:
        say(f"warning: {said}", error=True)
    if is_shipped(site.name, folders) and not any(word.startswith("site.") for word in args.runs):
        found = shipped_places(site.name, folder)
    else:
        others = [word for word in words if not word.startswith("site=")]
        found = places_of(composed_words([f"site={site.name}", *others], folders).experiment)
    repeat_site(site)
    remember_site(site, args.verb)
    return found


def run_names(args: argparse.Namespace) -> list[str]:
    """The words of the command line that mean runs."""
    return [word for word in args.runs if not is_site_word(word)]


def chosen_runs(args: argparse.Namespace) -> list[RunDir]:
    """The runs named on the command line (by run, by sweep, or by question), or all.

    Raises:
        ConfigError: some name means no run, or several; all such names at once.
    """
    from htr_exp.runs.selection import named_among, readable

    folder = places_named(args).runs
    names = run_names(args)
    runs, refused = readable(folder)
    known = [run.name for run in runs]
    settings = [name for name in names if "=" in name and not os.path.isdir(name)]
    if settings := [name for name in settings if not any(run.startswith(name) for run in known)]:
        from htr_exp.cli.settings_of_runs import refuse_settings

        refuse_settings(args.verb, settings, runs, [name for name in names if name not in settings])
    if not names:
        for said in refused.values():
            say(f"warning: {said}", error=True)
        return runs
    of_sweep: dict[str, list[RunDir]] = {}
    for run in runs:
        for sweep in {member["sweep"] for member in run.memberships}:
            of_sweep.setdefault(sweep, []).append(run)

    @cache
    def questions() -> dict[str, list[RunDir]]:
        """The runs of each question: one look into the runs for all the names."""
        found: dict[str, list[RunDir]] = {}
        for run in runs:
            if question := run.facts()["run"].get("question"):
                found.setdefault(question, []).append(run)
        return found

    def of_question(name: str) -> list[RunDir]:
        """Its runs; nothing where a run is called so."""
        if name == "last" or any(run.startswith(name) for run in known):
            return []
        return questions().get(name, [])

    chosen: dict[Path, RunDir] = {}
    unknown: list[str] = []
    for name in names:
        try:
            for run in of_sweep.get(name) or of_question(name) or [named_among(runs, refused, folder, name)]:
                chosen[run.path] = run
        except ConfigError as error:
            unknown.append(str(error))
    if unknown:
        raise ConfigError(unknown[0]) if len(unknown) == 1 else ConfigError("some names mean no run:", unknown)
    return list(chosen.values())


def record_new(args: argparse.Namespace, runs: Sequence[RunDir], *, servers: bool) -> None:
    """Bring MLflow up to date with runs before they are shown; whatever goes wrong there is a warning.

    Args:
        args: of the command line.
        runs: what is shown.
        servers: also servers; without, only the store in the workspace, and nothing leaves this machine.
    """
    from htr_exp.tracking import subprocesses

    subprocesses.record_new(runs, places_named(args).workspace, servers=servers)
