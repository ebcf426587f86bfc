"""`init`: says once which site this is, and makes its folders."""

from __future__ import annotations

import argparse
from pathlib import Path

from htr_exp.core.errors import ConfigError, HtrExpError
from htr_exp.core.own_command import own_command, repeat_words
from htr_exp.core.problem import Problem


def run(args: argparse.Namespace) -> int:
    """Write the workspace file, and make the folders of its site."""
    from htr_exp.config.choices import overlays
    from htr_exp.config.compose import compose_experiment
    from htr_exp.config.places import absolute
    from htr_exp.config.site_choice import chosen_site, needed_words
    from htr_exp.config.workspace_file import NAME, write_site
    from htr_exp.core.terminal import say, say_json

    if others := [_not_taken(word) for word in args.overrides if not word.startswith("site=")]:
        raise ConfigError("init takes a site and nothing else:", others)
    config_dirs = overlays(args.config_dir)
    composed = compose_experiment(args.overrides, config_dirs)
    site = composed.experiment.site
    folders = {
        name: absolute(getattr(site, name))
        for name in ("workspace", "ground_truth", "models", "images", "runs", "cache")
    }
    made = [name for name, folder in folders.items() if not folder.is_dir()]
    _make([folders[name] for name in made])
    if composed.site.config_dir is None and not write_site(Path(), composed.site.name, command="init", replace=True):
        raise HtrExpError(f"{Path(NAME).absolute()} cannot be written: set HTR_EXP_SITE={composed.site.name} instead")
    chosen = chosen_site(args.overrides, config_dirs)  # as it is now
    for said in chosen.notes:
        say(f"warning: {said}", error=True)
    repeat_words(needed_words(chosen))
    if args.json:
        say_json({"site": site.name, "folders": {name: str(folder) for name, folder in folders.items()}, "made": made})
        return 0
    say(f"site: {site.name}")
    for name, folder in folders.items():
        say(f"  {name.replace('_', ' '):13} {folder}{' (new)' if name in made else ''}")
    say(
        f"Put each dataset into a folder of its own in {folders['ground_truth'].name}, and base models into {folders['models'].name}."
    )
    say(f"Then: `{own_command('check dataset=NAME')}`, `{own_command('train dataset=NAME model=...')}`")
    return 0


def _not_taken(word: str) -> Problem:
    if word.startswith("site."):
        return Problem(
            f"{word}: it would not be remembered",
            "write it into a site of your own, conf/site/NAME.yaml, and give site=NAME",
            word,
        )
    return Problem(word, "write site=NAME, or nothing", word)


def _make(folders: list[Path]) -> None:
    """Make folders.

    Raises:
        ConfigError: with all that cannot be made.
    """
    problems = []
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problems.append(
                Problem(
                    f"{folder}: it cannot be made ({error.strerror or error})",
                    "make room for it, or choose another site",
                )
            )
    if problems:
        raise ConfigError("the folders of the site cannot be made:", problems)
