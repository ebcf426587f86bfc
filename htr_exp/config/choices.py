"""The folders of configuration files, shipped and the user's own, and what there is to choose in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from htr_exp.core.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir() -> Path:
    """The folder conf/: beside the package in a checkout, inside it once installed.

    Raises:
        ConfigError: it is in neither place.
    """
    for folder in (PACKAGE / "conf", PACKAGE.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise ConfigError("conf/config.yaml was not found: reinstall htr-exp, or run from a checkout")


def overlays(config_dir: str | None = None) -> list[Path]:
    """The user's config folders, strongest first: --config-dir, then conf/ of the current directory.

    The path of the first is absolute. The second is `conf`: nobody has named it, and it may not set everything
    (`config.current_directory`). With a config.yaml of its own it belongs to another Hydra program and is left alone.

    Raises:
        ConfigError: `config_dir` is not a folder, or replaces config.yaml.
    """
    found = []
    if config_dir is not None:
        folder = Path(config_dir).expanduser()
        if not folder.is_dir():
            raise ConfigError(f"--config-dir {config_dir}: there is no such folder")
        if (folder / "config.yaml").exists():
            raise ConfigError(
                f"--config-dir {config_dir}: it holds a config.yaml; a config folder adds choices to groups"
            )
        found.append(folder.resolve())
    here = Path("conf")
    if here.is_dir() and not (here / "config.yaml").exists() and here.resolve() not in found:
        found.append(here)
    return found


NESTED = ("launch/search",)
"""Groups within another group. Other folders there hold what its choices share."""


def options(config_dirs: Sequence[Path] = ()) -> dict[str, dict[str, str]]:
    """Every choice of every group with the sentence that its file opens with; what is no file, such as a pipe at which one waits, is none."""
    found: dict[str, dict[str, str]] = {}
    for folder in (conf_dir(), *reversed(config_dirs)):
        nested = [file for group in NESTED for file in sorted(folder.glob(f"{group}/*.yaml"))]
        for file in filter(Path.is_file, (*sorted(folder.glob("*/*.yaml")), *nested)):
            lines = [
                line
                for line in file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
                if not line.startswith("# @package")
            ]
            first = lines[0] if lines else ""
            group = file.parent.relative_to(folder).as_posix()
            found.setdefault(group, {})[file.stem] = first.lstrip("# ") if first.startswith("#") else ""
    return {group: dict(sorted(choices.items())) for group, choices in sorted(found.items())}
