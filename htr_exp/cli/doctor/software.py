"""Python and the packages that we need, by their metadata: nothing but the standard library is imported here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from pathlib import Path

from htr_exp import __version__
from htr_exp.cli.doctor.finding import Finding, error, note, ok, warning

TITLE = "Python and packages"
PYTHONS = ((3, 10), (3, 13))
EXTRAS = {
    "kraken": "kraken and torch in this environment: for runtime=host",
    "mlflow": "MLflow's own store and UI: for tracking=embedded and `ui`",
    "optuna": "a search over values: for launch/search=optuna",
}

IMPORTED = (
    "hydra",
    "omegaconf",
    "yaml",
    "rich",
    "psutil",
    "platformdirs",
    "lxml",
    "PIL",
    "rapidfuzz",
    "regex",
    "submitit",
    "htrmopo",
)
"""Modules that the program does not start without."""


@dataclass(frozen=True)
class Requirement:
    """A package that we need, as pyproject.toml writes it."""

    name: str
    wanted: str  # >=1.3.2,<1.4; empty: any version
    extra: str | None

    @property
    def spec(self) -> str:
        """What pip is given."""
        return f"{self.name}{self.wanted}"

    def version(self) -> str | None:
        """The installed version, None if it is not installed."""
        try:
            return importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError:
            return None

    def takes(self, version: str) -> bool:
        """Say whether a version will do."""
        return all(_holds(version, condition) for condition in filter(None, self.wanted.split(",")))


def required() -> list[Requirement] | None:
    """The packages that this program needs; None where it was not installed as a package."""
    try:
        texts = importlib.metadata.requires("htr-exp")
    except importlib.metadata.PackageNotFoundError:
        return None
    return [requirement(text) for text in texts or []]


def requirement(text: str) -> Requirement:
    """Read one requirement: `hydra-core<1.4,>=1.3.2; extra == 'x'`."""
    spec, _, marker = text.partition(";")
    found = re.fullmatch(r"([\w.-]+)(?:\[[^\]]*\])?\s*\(?([^()]*)\)?", spec.strip())
    extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
    name, wanted = (found[1], found[2]) if found else (spec.strip(), "")
    return Requirement(name, wanted.replace(" ", ""), extra[1] if extra else None)


def _holds(version: str, condition: str) -> bool:
    operator, wanted = re.fullmatch(r"([<>=!~]+)(.*)", condition).groups()  # type: ignore[union-attr]
    have, limit = _numbers(version), _numbers(wanted)
    width = max(len(have), len(limit))
    if operator == "~=":
        return have >= limit and have[: len(limit) - 1] == limit[:-1]
    return bool(COMPARED[operator](*(numbers + (0,) * (width - len(numbers)) for numbers in (have, limit))))


COMPARED = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.match(r"\d+(?:\.\d+)*", version.strip())[0].split("."))  # type: ignore[index]


def lacking() -> list[Finding]:
    """The reasons why the program itself cannot work: a Python that is not supported, missing packages."""
    found = [_python()]
    needs = required()
    if needs is None:
        absent = [module for module in IMPORTED if importlib.util.find_spec(module) is None]
        if absent:
            found.append(
                error("htr_exp", f"is not installed in this Python, which lacks {', '.join(absent)}", installing())
            )
    found += [_missing(need) for need in needs or () if need.extra is None and need.version() is None]
    return [one for one in found if one.state == "error"]


def installing() -> str:
    """The command that installs us and what we need."""
    folder = Path(__file__).resolve().parents[3]
    if not (folder / "pyproject.toml").exists():
        return f"`{sys.executable} -m pip install htr-exp`"
    return f"`make install` in {folder} and then its .venv/bin/python, or `{sys.executable} -m pip install {folder}`"


def findings(*, needed: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """Look at Python and its packages.

    Args:
        needed: the extras that what was asked for cannot do without.
    """
    yield _python()
    needs = required()
    if needs is None:
        yield warning(
            "htr_exp",
            f"{__version__}, run from its folder and not installed: what it needs is not known",
            installing(),
        )
        return
    good, bad = [], []
    for need in (one for one in needs if one.extra is None):
        version = need.version()
        if version is None:
            bad.append(_missing(need))
        elif need.takes(version):
            good.append(f"{need.name} {version}")
        else:
            bad.append(_other(need, version))
    yield ok("htr_exp", f"{__version__} with {', '.join(good)}")
    yield from bad
    for extra, what in EXTRAS.items():
        yield _extra(extra, what, [one for one in needs if one.extra == extra], is_needed=extra in needed)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    span = " to ".join(f"{major}.{minor}" for major, minor in PYTHONS)
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return error(
            "Python",
            f"{version} ({sys.executable}): htr_exp needs {span}",
            "make an environment with one of these, e.g. `python3.11 -m venv .venv`, and install htr_exp there",
        )
    return ok("Python", f"{version} ({sys.executable})")


def _missing(need: Requirement) -> Finding:
    return error(need.name, "is not installed", _install(need))


def _other(need: Requirement, version: str) -> Finding:
    return error(need.name, f"is {version}, and {need.wanted} is needed", _install(need))


def _install(*needs: Requirement) -> str:
    return f"`{sys.executable} -m pip install {' '.join(repr(need.spec) for need in needs)}`"


def _extra(extra: str, what: str, needs: list[Requirement], *, is_needed: bool) -> Finding:
    versions = {need: need.version() for need in needs}
    absent = [need.name for need, version in versions.items() if version is None]
    other = [
        f"{need.name} is {version}, and {need.wanted} is needed"
        for need, version in versions.items()
        if version and not need.takes(version)
    ]
    name = f"extra {extra}"
    remedy = f"`{sys.executable} -m pip install 'htr-exp[{extra}]'`"
    if extra in absent:  # the package that it is called after; others may be here for their own sake
        found = f"is not installed ({what})"
        return warning(name, found, remedy) if is_needed else note(name, found, remedy)
    if absent or other:
        return warning(name, "; ".join([*(f"{one} is not installed" for one in absent), *other]), remedy)
    return ok(name, ", ".join(f"{need.name} {version}" for need, version in versions.items()))
