"""Which site this is: as typed, else as the variable HTR_EXP_SITE says, else as the workspace file says, else as shipped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from htr_exp.config.choices import conf_dir
from htr_exp.config.misread_words import did_you_mean
from htr_exp.config.workspace_file import NAME, site_in
from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem
from htr_exp.core.text import printable

VARIABLE = "HTR_EXP_SITE"
TYPED = "the command line"
SHIPPED = "the default"


@dataclass(frozen=True)
class SiteChoice:
    """The site of a command, and who chose it.

    Attributes:
        name: of the site; several with commas where a sweep asks for them.
        source: the command line, HTR_EXP_SITE, the workspace file, or the default.
        typed: `site=NAME` and `site.KEY=VALUE` as typed.
        is_needed: the commands to come must say it, too, since without a word they would find another site.
        is_new: it was typed, and the workspace file can say it from now on.
        config_dir: the folder that the user named and that alone has this site; None: it is found without.
        notes: what is said of places that disagree.
    """

    name: str = ""
    source: str = SHIPPED
    typed: tuple[str, ...] = ()
    is_needed: bool = False
    is_new: bool = False
    config_dir: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """What the command line lacks to say it."""
        return [] if self.source in (TYPED, SHIPPED) else [f"site={self.name}"]


def is_site_word(word: str) -> bool:
    """Tell whether a word of the command line says which site this is, or where its folders are."""
    return word.startswith(("site=", "site."))


def site_names(config_dirs: Sequence[Path] = ()) -> list[str]:
    """Every site that there is to choose."""
    return sorted({file.stem for folder in (conf_dir(), *config_dirs) for file in (folder / "site").glob("*.yaml")})


def is_shipped(name: str, config_dirs: Sequence[Path]) -> bool:
    """Tell whether a site is one that comes with htr_exp, and no file of the user's takes its place."""
    own = (folder / "site" / f"{name}.yaml" for folder in config_dirs)
    return name in site_names() and not any(file.exists() for file in own)


def chosen_site(words: Sequence[str], config_dirs: Sequence[Path] = (), folder: Path = Path()) -> SiteChoice:
    """Which site a command is given at.

    Args:
        words: of the command line.
        config_dirs: the user's config folders, strongest first.
        folder: where the workspace file is looked for: the current directory, or the workspace that is named.

    Raises:
        ConfigError: what says it names no site, or cannot be read.
    """
    typed = tuple(word for word in words if is_site_word(word))
    says, unusable = _says(typed, folder)
    first, *weaker = says
    known = site_names(config_dirs)
    if first.name not in known and first.source != TYPED:  # a word that was typed is examined with all others
        raise _unknown(first, known)
    here, alone = folder.resolve() == Path.cwd(), _alone_in(first.name, config_dirs)
    by_word = first.source == TYPED
    others = [f"{first.how} is used, not {one.how}" for one in weaker[:-1] if one.name != first.name]
    return SiteChoice(
        name=first.name,
        source=first.source,
        typed=typed,
        is_needed=first.name != weaker[0].name if by_word else not here and first.source == str(folder / NAME),
        is_new=by_word and len(weaker) == 1 and here and not unusable and first.name in known and alone is None,
        config_dir=alone,
        notes=tuple(map(printable, (*unusable, *others))),
    )


@dataclass(frozen=True)
class _Says:
    """One who says which site this is, and how it is written there."""

    name: str
    source: str
    how: str


def _says(typed: Sequence[str], folder: Path) -> tuple[list[_Says], list[str]]:
    """Who says which site this is, strongest first and the default last, and why the workspace file is left out of it."""
    unusable: list[str] = []
    says = [_Says(word.partition("=")[2], TYPED, word) for word in typed if word.startswith("site=")][-1:]
    if name := os.environ.get(VARIABLE):
        says.append(_Says(name, VARIABLE, f"{VARIABLE}={name}"))
    try:
        if name := site_in(folder):
            says.append(_Says(name, str(folder / NAME), f"`site: {name}` in {folder / NAME}"))
    except ConfigError as error:
        if not says:
            raise
        unusable += map(str, error.problems)
    default = _Says(_shipped(), SHIPPED, "")
    return [*says, default] if says else [default, default], unusable


def needed_words(site: SiteChoice, *, remembered: bool = False) -> list[str]:
    """The words with which the commands to come find the same folders.

    Args:
        site: of this command.
        remembered: the workspace file says it now.
    """
    names = [f"site={site.name}"] if site.is_needed and not remembered else []
    config = [] if site.config_dir is None else [f"--config-dir={site.config_dir}"]
    return [*names, *(word for word in site.typed if not word.startswith("site=")), *config]


def _alone_in(name: str, config_dirs: Sequence[Path]) -> Path | None:
    """The folder named by the user (its path is absolute) without which there is no such site, or another one."""
    for folder in config_dirs:
        if folder.is_absolute() and (folder / "site" / f"{name}.yaml").is_file():
            return folder
    return None


@cache
def _shipped() -> str:
    """The site that conf/config.yaml chooses."""
    defaults = yaml.safe_load((conf_dir() / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    return next(str(entry["site"]) for entry in defaults if isinstance(entry, dict) and "site" in entry)


def _unknown(said: _Says, known: Sequence[str]) -> ConfigError:
    remedy = f"choose one of {', '.join(known)}{did_you_mean(said.name, known)}, or write conf/site/NAME.yaml"
    return ConfigError(
        "the site is not known:", [Problem(f"{printable(said.how)}: there is no such site", remedy, "site")]
    )
