"""htr-exp.yaml, the workspace file: it says which site a folder is used at, and nothing else, since it may come from somebody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import yaml

from htr_exp.core.errors import ConfigError
from htr_exp.core.files import write_atomically
from htr_exp.core.problem import Problem
from htr_exp.core.text import printable

NAME = "htr-exp.yaml"
MOST_BYTES = 4096
"""A larger file was not made to say one word."""

_CONTENT = """\
# The site at which htr-exp is used in this folder: `{command}` made this file, and every command in this folder obeys it.
# It says nothing else. HTR_EXP_SITE, or site=NAME in a command, is stronger.
site: {site}
"""


def site_in(folder: Path) -> str | None:
    """The site that the workspace file of a folder names; None: there is no such file.

    Raises:
        ConfigError: the file cannot be read, or says something else than a site.
    """
    file = folder / NAME
    try:
        text = _text(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(file, f"it cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise _refused(file, "it is not UTF-8") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise _refused(file, f"it is not YAML{where}") from None
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    if others := [_shown(key) for key, _ in pairs if key.value != "site"]:
        raise _refused(file, f"it says {', '.join(others)}: it may name a site, and nothing else")
    if len(pairs) != 1 or not isinstance(pairs[0][1], yaml.ScalarNode) or not pairs[0][1].value.strip():
        raise _refused(file, "it must name one site")
    return str(pairs[0][1].value)


def write_site(folder: Path, site: str, *, command: str, replace: bool = False) -> bool:
    """Write the workspace file of a folder.

    Args:
        folder: the folder, which must be there.
        site: a name of letters, digits, `_` and `-`.
        command: what made it, for the comment in it.
        replace: also where there is one already.

    Returns:
        Whether it was written; it is not where the folder cannot be written or there is one already.
    """
    file = folder / NAME
    content = _CONTENT.format(command=printable(command), site=site)
    try:
        if replace:
            write_atomically(file, content)
        else:
            with file.open("x", encoding="utf-8") as new:
                new.write(content)
    except OSError:
        return False
    return True


def _text(file: Path) -> str:
    """The content of a regular file; a pipe or a device would not end."""
    with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError("it is no file")
        content = opened.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(f"it has more than {MOST_BYTES} bytes")
    return content.decode("utf-8-sig")


def _shown(key: yaml.Node) -> str:
    return printable(key.value)[:40] if isinstance(key, yaml.ScalarNode) else "a list"


def _refused(file: Path, why: str) -> ConfigError:
    remedy = "write `site: NAME` in it, or remove it and type `site=NAME` once"
    return ConfigError(
        "the workspace file cannot be used:", [Problem(f"{printable(str(file))}: {why}", remedy, "site")]
    )
