"""What Hydra finds of htr_exp: the user's config folders before ours, what conf/ of the current directory may not set, and a launcher that takes all points at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from htr_exp.config import search_space
from htr_exp.config.chosen_groups import ChosenGroups
from htr_exp.config.hydra_set_up import CURRENT_DIRECTORY, is_group, search_first


class UserFoldersFirst(SearchPathPlugin):
    """Puts the user's config folders before the shipped one."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in reversed(search_first()):
            trusted = folder.is_absolute()
            search_path.prepend("htr_exp-user", f"{'file' if trusted else CurrentDirectorySource.scheme()}://{folder}")


class CurrentDirectorySource(FileConfigSource):
    """Reads conf/ of the current directory, which nobody has named: what a file in it must not set is not even composed."""

    @staticmethod
    def scheme() -> str:
        return "htr_exp-current-directory"

    def load_config(self, config_path: str) -> ConfigResult:
        """Read one file; one that is refused is empty, since Hydra would start what it names before we could refuse it."""
        found = super().load_config(config_path)
        if not CURRENT_DIRECTORY.take(config_path, found.header.get("package"), found.config):
            found.config = OmegaConf.create({})
        return found


class GridSweeper(BasicSweeper):
    """Hydra's own sweeper without its trial composition: our launcher composes every point before it starts any.

    With `launch/search` it makes no points: the search asks for them.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task: Any = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Make every point, or let the search make them."""
        context: Any = self.hydra_context
        config: Any = self.config
        launcher: Any = self.launcher
        parser = OverridesParser.create(config_loader=context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        if config.launch.search.name != "optuna":
            search_space.refuse_intervals(overrides)
            return super().sweep(arguments)
        settings: Any = OmegaConf.to_object(config.launch.search)
        space = search_space.space_of(overrides, settings)
        fixed = [one.input_line for one in overrides if one.get_key_element() not in space]

        def composed(points: Sequence[search_space.Point]) -> list[Any]:
            words = [[*fixed, *search_space.words_of(point)] for point in points]
            return list(self.task.composed(launcher.compose(words)))

        return self.task.search(space, composed)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        pass


class SweepLauncher(Launcher):
    """Hands every point of a sweep to the task function in one call, which plans and launches them as one list."""

    def __init__(self) -> None:
        self.config: DictConfig
        self.context: HydraContext
        self.launch_points: TaskFunction

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.context, self.launch_points = config, hydra_context, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose all points and launch them; each return value is what the sweeper minimises."""
        configs = self.compose(job_overrides)
        values: Any = self.launch_points(configs)
        returns = []
        for overrides, config, value in zip(job_overrides, configs, values):
            done = JobReturn(overrides=overrides, cfg=config, status=JobStatus.COMPLETED)
            done.return_value = value
            returns.append(done)
        return returns

    def compose(self, points: Sequence[Sequence[str]]) -> list[DictConfig]:
        """The configurations of points, each given by its words."""
        loader: Any = self.context.config_loader
        chosen = ChosenGroups(lambda groups: loader.load_sweep_config(self.config, groups), is_group)
        return [self._compose(chosen, point) for point in points]

    def _compose(self, chosen: ChosenGroups, point: Sequence[str]) -> DictConfig:
        # What the words set of Hydra itself is in the configuration of the sweep already.
        config = chosen.with_values([word for word in point if not word.lstrip("+~").startswith("hydra.")])
        with open_dict(config):
            del config["hydra"]
        return config
