"""What a command line asks for, composed; where its values come from is said, and its site is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from htr_exp.core.own_command import repeat_words
from htr_exp.core.terminal import say

if TYPE_CHECKING:
    from htr_exp.config.compose import Composed
    from htr_exp.config.site_choice import SiteChoice


def composed_words(words: Sequence[str], folders: Sequence[Path]) -> Composed:
    """The experiment of a verb that plans no run: a plan says with its other warnings where its values come from.

    Args:
        words: of the command line.
        folders: the user's config folders.

    Raises:
        ConfigError: the words cannot be composed.
    """
    from htr_exp.config.compose import compose_experiment

    composed = compose_experiment(words, folders)
    for said in composed.warnings:
        say(f"warning: {said}", error=True)
    return composed


def repeat_site(site: SiteChoice) -> None:
    """Let hints repeat the words without which a command would not find this site."""
    from htr_exp.config.site_choice import needed_words

    repeat_words(needed_words(site))


def remember_site(site: SiteChoice, verb: str) -> None:
    """Let the workspace file say the site that was typed, where nothing says one yet; where it cannot be written, hints repeat the word."""
    from htr_exp.config.site_choice import needed_words
    from htr_exp.config.workspace_file import NAME, write_site

    if site.is_new and write_site(Path(), site.name, command=f"{verb} site={site.name}"):
        say(f"note: {NAME} says site: {site.name} from now on, for every command in this folder", error=True)
        repeat_words(needed_words(site, remembered=True))
