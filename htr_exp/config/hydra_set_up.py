"""Hydra as we use it: with our schema, the user's config folders before ours, and datasets and models that are no files there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from htr_exp.config.choices import PACKAGE, conf_dir
from htr_exp.config.chosen_groups import ChosenGroups
from htr_exp.config.current_directory import CurrentDirectory
from htr_exp.config.places import kraken_file
from htr_exp.config.schema import SECTIONS, Experiment

CURRENT_DIRECTORY = CurrentDirectory()
"""What the composition under way uses of conf/ of the current directory."""

_search_first: list[Path] = []  # read by a plugin, which Hydra makes without arguments


def search_first() -> list[Path]:
    """The user's config folders of the composition under way, strongest first; the relative one is not trusted."""
    return list(_search_first)


@contextmanager
def hydra_on(config_dirs: Sequence[Path], named: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """Have Hydra compose from config folders while the body runs.

    Args:
        config_dirs: the user's, strongest first.
        named: dataset, model -> the paths of choices that are no files in them, by their names.
    """
    _register()
    for name, path in named["dataset"].items():
        node = {"defaults": ["folder"], "path": path}
        ConfigStore.instance().store(name, node, group="dataset", provider="htr_exp")
    for name, path in named["model"].items():
        node = {"defaults": ["file"], "name": name, "path": path}
        ConfigStore.instance().store(name, node, group="model", provider="htr_exp")
    _search_first[:] = config_dirs
    CURRENT_DIRECTORY.used.clear()
    CURRENT_DIRECTORY.problems.clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            yield
    finally:
        _search_first.clear()
        for group in named:
            ConfigStore.instance().repo.pop(group, None)


def chosen_groups(config_dirs: Sequence[Path], named: Mapping[str, Mapping[str, str]]) -> ChosenGroups:
    """What was composed of these folders so far, as long as no file of theirs changes; for the body of `hydra_on`, as its arguments."""
    folders = (conf_dir(), *config_dirs)
    files = [file for folder in folders for file in sorted(folder.rglob("*.yaml"))]
    state = tuple((str(file), (now := file.stat()).st_mtime_ns, now.st_size) for file in files)
    return _groups_of(state, *(tuple(choices.items()) for choices in named.values()))


@lru_cache(maxsize=8)
def _groups_of(*_state: object) -> ChosenGroups:
    return ChosenGroups(lambda words: compose("config", overrides=words, return_hydra_config=True), is_group)


def is_group(name: str) -> bool:
    """Whether there is a group of this name; in the body of `hydra_on`. Hydra would read its whole search path for each answer."""
    return name.startswith("hydra/") or any((folder / name).is_dir() for folder in (conf_dir(), *_search_first))


@cache  # Hydra gives copies of what it was given
def _register() -> None:
    ConfigStore.instance().store("experiment_schema", Experiment)
    for task, sections in SECTIONS.items():
        for section, keys in sections.items():
            ConfigStore.instance().store(task.name, keys, group=f"schema/{section}")
    for group, target in (("launcher", "SweepLauncher"), ("sweeper", "GridSweeper")):
        node: dict[str, Any] = {"_target_": f"hydra_plugins.htr_exp_sweep.{target}"}
        node |= {"max_batch_size": None, "params": None} if group == "sweeper" else {}
        ConfigStore.instance().store("htr_exp", node, group=f"hydra/{group}", provider="htr_exp")
    OmegaConf.register_new_resolver("packaged", lambda name: str(PACKAGE / name), replace=True)
    OmegaConf.register_new_resolver(
        "kraken_file", lambda name: str(kraken_file(name) or f"kraken/{name}"), replace=True
    )
