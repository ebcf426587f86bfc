"""How another site is reached over ssh, and where its folders are there: what `on=NAME` names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp.config.misread_words import did_you_mean
from htr_exp.config.site_choice import is_shipped, site_names
from htr_exp.config.site_folders import site_folders
from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem
from htr_exp.core.text import printable

KEYS = ("login", "login_workspace", "login_environment")
"""What a site's file says of it beside its folders."""

SERVERS = ("login", "login_environment")
"""Those of them that say who is spoken to, and what is started there."""

FOLDERS = ("ground_truth", "models", "images", "runs", "cache")

_HOST = re.compile(r"[^-\s:/'\"\\$`;&|<>()*?\[\]{}!#~%][^\s:/'\"\\$`;&|<>()*?\[\]{}!#~%]*")
"""What ssh takes as one word that is no option and no path: HOST, USER@HOST, or the name of a Host in its configuration."""


@dataclass(frozen=True)
class Login:
    """A site that is reached over ssh.

    Attributes:
        site: its name.
        host: as ssh knows it.
        workspace: there, absolute or seen from the home folder there.
        environment: the Python environment there in which htr-exp is; None: htr-exp is on the PATH there.
        folders: of the site by their keys, absolute or seen from the workspace there.
        is_shipped: the site comes with htr_exp, and htr-exp there knows it by its name.
    """

    site: str
    host: str
    workspace: str
    environment: str | None
    folders: Mapping[str, str]
    is_shipped: bool


def login_problem(login: str | None) -> Problem | None:
    """Why a login host is none; None if it is one, or if there is none."""
    if login is None or _HOST.fullmatch(login):
        return None
    what = f"site.login={printable(login)}: it is no host as ssh knows it"
    return Problem(what, "write HOST, USER@HOST, or the name of a Host of ~/.ssh/config", "site.login")


def login_of(name: str, config_dirs: Sequence[Path] = (), typed: Mapping[str, str] | None = None) -> Login:
    """How a site is reached.

    Args:
        name: of the site, as typed behind `on=`.
        config_dirs: the user's config folders, strongest first.
        typed: values of its keys in `KEYS` that were typed.

    Raises:
        ConfigError: there is no such site, or its file names no login host.
    """
    known = site_names(config_dirs)
    if name not in known:
        reachable = [one for one in known if "login" in site_folders(one, config_dirs)]
        remedy = f"choose one of {', '.join(reachable)}{did_you_mean(name, known)}, or write conf/site/NAME.yaml"
        raise ConfigError(
            "the site is not known:", [Problem(f"on={printable(name)}: there is no such site", remedy, "on")]
        )
    given = {**(typed or {}), "workspace": "."}
    values = site_folders(name, config_dirs, given)
    # conf/ of the current directory is the one folder that nobody has named (`config.current_directory`)
    trusted = site_folders(name, [folder for folder in config_dirs if folder.is_absolute()], given)
    if foreign := [key for key in SERVERS if values.get(key) != trusted.get(key)]:
        raise ConfigError("the site cannot be reached:", [_not_trusted(name, key, values.get(key)) for key in foreign])
    host = values.get("login")
    if not host:
        what = f"on={name}: the site has no login host that ssh could reach"
        remedy = (
            f"write `login: HOST`, or USER@HOST, as you type it behind ssh and without ${{...}}, in conf/site/{name}.yaml "
            f"(a copy of the shipped file) and add `--config-dir conf`, or type site.login=HOST"
        )
        raise ConfigError("the site cannot be reached:", [Problem(what, remedy, "site.login")])
    if (problem := login_problem(host)) is not None:
        raise ConfigError("the site cannot be reached:", [problem])
    return Login(
        site=name,
        host=host,
        workspace=values.get("login_workspace", "."),
        environment=values.get("login_environment"),
        folders={key: values[key] for key in FOLDERS if key in values},
        is_shipped=is_shipped(name, config_dirs),
    )


def _not_trusted(name: str, key: str, value: str | None) -> Problem:
    what = f"conf/site/{name}.yaml: {key}: {printable(str(value))}: a file of the current directory must not say which servers are spoken to"
    return Problem(
        what,
        f"type site.{key}={printable(str(value))}, or, if this folder is yours, add `--config-dir conf`",
        f"site.{key}",
    )
