"""Environment modules, Lmod's or Environment Modules', from any shell: loading one, and what there is."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from htr_exp.core.program import NoAnswer, ask

TIMEOUT_S = 60.0
"""How long the module system may take; a file system that has gone makes it wait for ever."""

SCRIPT = r"""
mark=$1 what=$2 word=$3; shift 3
exec 3>&1 1>&2  # what the site's files and the module print is not the answer

begin() {  # a function, so that the files do not see our arguments as theirs
  command -v module >/dev/null 2>&1 && return 0
  for file in "${LMOD_PKG:+$LMOD_PKG/init/sh}" "${LMOD_DIR:+$LMOD_DIR/../init/sh}" "${MODULESHOME:+$MODULESHOME/init/sh}" \
      /etc/profile.d/*lmod*.sh /etc/profile.d/*modules*.sh \
      /usr/share/lmod/lmod/init/sh /usr/share/modules/init/sh /usr/share/Modules/init/sh /opt/lmod/lmod/init/sh; do
    [ -r "$file" ] || continue
    . "$file"
    command -v module >/dev/null 2>&1 && return 0
  done
  return 1
}

begin || { printf '%s none' "$mark" >&3; exit 0; }
for folder in "$@"; do module use "$folder"; done
printf '\n%s\n' "$mark" >&2
case $what in
  load) module load "$word" ;;
  avail) module -t avail "$word" ;;
  version) module --version ;;
esac
printf '%s %s\0' "$mark" $? >&3
exec /usr/bin/env -0 >&3
"""
"""What one shell does: it finds the module system as a login shell would, asks it, and says its own environment at the end."""


class ModuleUnavailable(Exception):
    """The module cannot be had here. The text is one plain sentence that says why."""


@dataclass(frozen=True)
class Loaded:
    """What a process has that has loaded a module."""

    environment: dict[str, str]
    modules: tuple[str, ...]  # all that are loaded then, e.g. gcc/12.2, kraken/4.3.13


@dataclass(frozen=True)
class _Answer:
    code: int
    words: str  # all that was printed from the question on
    environment: dict[str, str]


def load(name: str, *, use: Sequence[str] = (), environment: Mapping[str, str]) -> Loaded:
    """Load a module in a shell of its own and return what that makes of the environment.

    Args:
        name: as `module load` takes it: kraken/4.3.13, or kraken for the site's default.
        use: more folders of modulefiles, taken literally.
        environment: what the shell starts with.

    Raises:
        ModuleUnavailable: no module system here, no such folder or module, or the module cannot be loaded.
    """
    if not name or name != name.strip() or name.startswith("-") or not name.isprintable():
        raise ModuleUnavailable(f"{name!r} is not the name of a module")
    answer = _ask("load", name, use, environment)
    before = _names(environment)
    modules = _names(answer.environment)
    if answer.code:
        raise ModuleUnavailable(f"`module load {name}` fails: {_reason(answer.words) or f'exit code {answer.code}'}")
    # Environment Modules 3 and 4 end with 0 whatever happened. A new module of the family is one asked for by another
    # name of its version: kraken/latest, kraken/4, kraken@4.
    family = re.split("[/@ ]", name)[0]
    new = [module for module in modules if module not in before and module.split("/")[0] == family]
    if not new and not any(module == name or module.startswith(f"{name}/") for module in modules):
        reason = _reason(answer.words) or f"it ends well, but {name} is not among the modules loaded then"
        raise ModuleUnavailable(f"`module load {name}` has no effect: {reason}")
    return Loaded(answer.environment, modules)


def available(pattern: str, *, use: Sequence[str] = (), environment: Mapping[str, str]) -> list[str]:
    """The modules whose names `module avail` finds for a pattern, in its order: those that begin with it, at least.

    Raises:
        ModuleUnavailable: no module system here, or no such folder.
    """
    answer = _ask("avail", pattern, use, environment)
    lines = (re.sub(r"\s*\([^()]*\)$", "", line.strip()) for line in answer.words.splitlines())
    # A folder ends in a colon, with Lmod a module without its version in a slash.
    names = [line for line in lines if line.startswith(pattern) and not line.endswith((":", "/"))]
    return list(dict.fromkeys(names))


def system(environment: Mapping[str, str]) -> str | None:
    """The module system and its version, e.g. `Lmod 8.7.32`, `Environment Modules 5.2.0`; None: there is none."""
    try:
        words = _ask("version", "", (), environment).words
    except ModuleUnavailable:
        return None
    if found := re.search(r"based on Lua: Version (\S+)", words):
        return f"Lmod {found[1]}"
    found = re.search(r"Release\s+v?(\d\S*)|VERSION=(\S+)", words)
    return f"Environment Modules {found[1] or found[2]}" if found else "Environment Modules"


def _ask(what: str, word: str, use: Sequence[str], environment: Mapping[str, str]) -> _Answer:
    folders = [str(Path(folder).expanduser().absolute()) for folder in use]
    if missing := [folder for folder in folders if not os.path.isdir(folder)]:  # the module systems do not mind
        raise ModuleUnavailable(f"there is no folder {missing[0]} of modulefiles here")
    shell = shutil.which("bash") or "/bin/sh"
    mark = f"htr-exp-{secrets.token_hex(8)}"
    try:
        said = ask(
            [shell, "-c", SCRIPT, "sh", mark, what, word, *folders],
            timeout_s=TIMEOUT_S,
            name="the module system",
            environment=environment,
            undecodable="surrogateescape",  # as os.environ keeps them
        )
    except NoAnswer as silent:
        raise ModuleUnavailable(str(silent)) from None
    _, _, answer = said.output.partition(f"{mark} ")
    if answer == "none":
        raise ModuleUnavailable(
            "there is no `module` command here: Lmod and Environment Modules were looked for by $LMOD_PKG, $MODULESHOME, "
            "in /etc/profile.d and in /usr/share"
        )
    code, _, variables = answer.partition("\0")
    before, _, after = said.errors.partition(f"{mark}\n")
    words = after if before != said.errors else said.errors  # without the mark, its shell did not come that far
    if not code.isdigit():
        raise ModuleUnavailable(f"`module {what} {word}`".rstrip() + f" ends its shell: {_reason(words)}")
    found = dict(pair.split("=", 1) for pair in variables.split("\0") if "=" in pair)
    for name in ("_", "SHLVL", "PWD", "OLDPWD", "LC_ALL"):  # of asking in a shell, not of the module
        found.pop(name, None)
        if name in environment:
            found[name] = environment[name]
    return _Answer(int(code), words, found)


def _names(environment: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in environment.get("LOADEDMODULES", "").split(":") if name)


def _reason(words: str) -> str:
    """The part of a module system's words that says what is wrong, on one line."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", words)
    lines = [line.strip() for line in plain.splitlines()]
    first = next((number for number, line in enumerate(lines) if re.search(r"\berror\b", line, re.IGNORECASE)), None)
    if first is None:
        return next((line for line in reversed(lines) if line), "")
    said: list[str] = []
    for line in lines[first : first + 3]:
        if not line or line.startswith(("while executing", "While processing")):
            break
        said.append(
            re.sub(r"^.*?\berror\b\s*:\s*(\d+:\s*)?", "", line, count=1, flags=re.IGNORECASE) if not said else line
        )
    return " ".join(line for line in said if line)
