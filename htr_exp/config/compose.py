"""From the words of the command line to a checked experiment: Hydra composes conf/, we say everything that is wrong."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from htr_exp.config.choices import conf_dir, options
from htr_exp.config.current_directory import instead_of_shipped
from htr_exp.config.ground_truth_folders import located, named_datasets
from htr_exp.config.hydra_set_up import CURRENT_DIRECTORY, chosen_groups, hydra_on
from htr_exp.config.models_of_runs import named_models
from htr_exp.config.overrides import UNREADABLE, checked, first_line, unusable
from htr_exp.config.recorded import values_with_secrets
from htr_exp.config.schema import SECTIONS, Experiment, Slurm
from htr_exp.config.search_space import Point, Space
from htr_exp.config.site_choice import SiteChoice, chosen_site, is_site_word
from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem
from htr_exp.core.task import TASKS

SearchLoop = Callable[[Space, Callable[[Sequence[Point]], "list[Composed]"]], None]
"""Asks for points of a space, has them composed, and trains them."""


@dataclass(frozen=True)
class Composed:
    """An experiment as composed."""

    experiment: Experiment
    values: dict[str, Any]  # the same as plain values, resolved: what the record keeps
    from_here: tuple[str, ...] = ()  # the files of conf/ of the current directory that it uses, without `.yaml`
    site: SiteChoice = field(default_factory=SiteChoice)  # who chose its site
    located: tuple[str, ...] = ()  # what is said of ground truth that was found by its name

    @property
    def warnings(self) -> list[str]:
        """What is said of where its values come from."""
        return [*self.site.notes, *instead_of_shipped(self.from_here), *self.located]

    def with_settings(self, group: str, **settings: Any) -> Composed:
        """The experiment with other settings of a group, as if they had been typed: the key and the record hold them."""
        changed = {group: replace(getattr(self.experiment, group), **settings)}
        values = self.values | {group: self.values[group] | settings}
        return replace(self, experiment=replace(self.experiment, **changed), values=values)


def compose_experiment(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> Composed:
    """Compose one experiment.

    Args:
        overrides: `key=value` and `group=choice` as typed.
        config_dirs: the user's config folders, strongest first.

    Raises:
        ConfigError: with every bad key, value and missing value.
    """
    words = _words_of(overrides, config_dirs, multirun=False)
    composed, used = _composed(words, config_dirs, once=True)
    swept = composed.hydra.sweeper.get("params")
    if swept:
        raise ConfigError(
            "the experiment cannot run:",
            [f"it is a sweep over {', '.join(swept)}: run `train -m ...`, which trains every point"],
        )
    with open_dict(composed):
        del composed["hydra"]
    return replace(_located(resolve(composed, config_dirs)), from_here=used, site=words.site)


@dataclass(frozen=True)
class _Words:
    """The words of a command line, with those that it lacks.

    Attributes:
        typed: as typed.
        taken: as Hydra takes them.
        site: who chose the site.
        named: group -> the paths of its choices that are no files in conf/, by their names.
    """

    typed: list[str]
    taken: list[str]
    site: SiteChoice
    named: dict[str, dict[str, str]]


def _words_of(overrides: Sequence[str], config_dirs: Sequence[Path], *, multirun: bool) -> _Words:
    site, groups = chosen_site(overrides, config_dirs), options(config_dirs)
    typed = [*site.words, *overrides]

    def of_site(key: str) -> str | None:
        try:
            words = [word for word in typed if is_site_word(word)]
            return str(getattr(compose_experiment(words, config_dirs).experiment.site, key))
        except ConfigError:
            return None  # it is said with all else that is wrong

    named: dict[str, dict[str, str]] = {}
    typed, named["dataset"] = named_datasets(typed, groups["dataset"], lambda: of_site("ground_truth"))
    typed, named["model"] = named_models(typed, groups["model"], lambda: of_site("runs"))
    for group, found in named.items():
        groups[group] |= dict.fromkeys(found, "")
    return _Words(typed, checked(typed, groups, multirun=multirun), site, named)


def _composed(words: _Words, config_dirs: Sequence[Path], *, once: bool = False) -> tuple[DictConfig, tuple[str, ...]]:
    """The configuration with Hydra's own, and the files of conf/ of the current directory that it uses.

    Args:
        words: of a command line.
        config_dirs: the user's config folders, strongest first.
        once: compose what they choose once a process; what Hydra notes of its own words is not in it then.
    """
    with hydra_on(config_dirs, words.named):
        try:
            if once and all(folder.is_absolute() for folder in config_dirs):  # it is noted what is used of any other
                composed = chosen_groups(config_dirs, words.named).with_values(words.taken)
            else:
                composed = compose("config", overrides=words.taken, return_hydra_config=True)
        except UNREADABLE as error:
            CURRENT_DIRECTORY.refuse()
            raise _explained(words.typed, words.taken, error) from None
        CURRENT_DIRECTORY.refuse()
        return composed, tuple(sorted(CURRENT_DIRECTORY.used))


def configuration(
    overrides: Sequence[str],
    config_dirs: Sequence[Path] = (),
    *,
    part: str = "job",
    package: str | None = None,
    resolved: bool = False,
) -> str:
    """The configuration as YAML, as Hydra's `--cfg` shows it.

    Args:
        overrides: as for `compose_experiment`; what an experiment sweeps over is left as it is.
        config_dirs: the user's config folders, strongest first.
        part: job, hydra (Hydra's own) or all.
        package: a group or a key of it alone.
        resolved: with the values of interpolations.

    Raises:
        ConfigError: it cannot be composed, or a value not be resolved, or holds a secret.
    """
    composed, _ = _composed(_words_of(overrides, config_dirs, multirun=False), config_dirs)
    with open_dict(composed):
        if part == "hydra":
            composed = OmegaConf.create({"hydra": composed.hydra})
        elif part == "job":
            del composed["hydra"]
    try:
        written = OmegaConf.to_container(composed, resolve=False)
        values = OmegaConf.to_container(composed, resolve=resolved)
        chosen = OmegaConf.select(composed, package) if package else composed
    except OmegaConfBaseException as error:
        raise ConfigError("the configuration cannot be shown:", [first_line(error)]) from None
    if secrets := list(values_with_secrets(written, values)):
        raise ConfigError("the configuration cannot be shown:", secrets)
    if chosen is None:
        raise ConfigError(f"--package {package}: there is no such group or key")
    return OmegaConf.to_yaml(chosen, resolve=resolved) if OmegaConf.is_config(chosen) else f"{chosen}\n"


def composition(overrides: Sequence[str], config_dirs: Sequence[Path] = (), *, what: str = "all") -> str:
    """Where a configuration comes from, as Hydra's `--info` shows it.

    Args:
        overrides: as for `compose_experiment`.
        config_dirs: the user's config folders, strongest first.
        what: all, config, defaults, defaults-tree, plugins or searchpath.

    Raises:
        ConfigError: it cannot be composed.
    """
    configuration(overrides, config_dirs, resolved=True)  # says what is wrong, and that nothing is a secret
    words = _words_of(overrides, config_dirs, multirun=False)
    said = io.StringIO()
    log = logging.getLogger()
    before = (list(log.handlers), log.level)
    with hydra_on(config_dirs, words.named), contextlib.redirect_stdout(said):
        try:
            GlobalHydra.instance().hydra.show_info(what, "config", words.taken)  # type: ignore[union-attr]
        except UNREADABLE as error:
            raise _explained(words.typed, words.taken, error) from None
        finally:
            log.handlers[:], log.level = before
    return said.getvalue()


@dataclass(frozen=True)
class SweepTask:
    """What Hydra's sweeper is given for a function of ours.

    Attributes:
        composed: makes experiments of points as Hydra composed them.
        launch: starts them, and returns what is minimised of each.
        search: does a search, given its space and what composes points of it.
    """

    composed: Callable[[list[DictConfig]], list[Composed]]
    launch: Callable[[list[Composed]], list[Any]]
    search: SearchLoop | None

    def __call__(self, configs: list[DictConfig]) -> list[Any]:
        return self.launch(self.composed(configs))


def compose_sweep(
    overrides: Sequence[str],
    launch: Callable[[list[Composed]], list[Any]],
    config_dirs: Sequence[Path] = (),
    search: SearchLoop | None = None,
) -> None:
    """Let Hydra expand `overrides` and hand all points to `launch`; with `launch/search` hand the space to `search`.

    Args:
        overrides: as for `compose_experiment`; `key=a,b` and `key=range(...)` make points.
        launch: gets the composed points, returns one value each to be minimised (the validation CER), or None where it is not waited for.
        config_dirs: the user's config folders, strongest first.
        search: gets the space and a function that composes points of it.

    Raises:
        ConfigError: with every bad key, value and missing value.
    """
    words = _words_of(overrides, config_dirs, multirun=True)

    def composed(configs: list[DictConfig]) -> list[Composed]:
        CURRENT_DIRECTORY.refuse()
        problems: list[Problem] = []
        found = []
        for config in configs:
            try:
                one = _located(resolve(config, config_dirs))
                found.append(replace(one, from_here=tuple(sorted(CURRENT_DIRECTORY.used)), site=words.site))
            except ConfigError as error:
                problems += [problem for problem in error.problems if problem not in problems]
        if problems := [*problems, *_one_file_of_several_names(found)]:
            raise ConfigError("the sweep cannot run:", problems)
        return found

    # Hydra's basic sweeper leaves a multirun.yaml; the run folders say all that it would.
    with tempfile.TemporaryDirectory(prefix="htr_exp-sweep-") as scratch, hydra_on(config_dirs, words.named):
        try:
            GlobalHydra.instance().hydra.multirun(  # type: ignore[union-attr]
                config_name="config",
                task_function=SweepTask(composed, launch, search),
                overrides=[*words.taken, f"hydra.sweep.dir='{scratch}'"],
                with_log_configuration=False,
            )
        except UNREADABLE as error:
            CURRENT_DIRECTORY.refuse()
            raise _explained(words.typed, words.taken, error) from None


def _one_file_of_several_names(points: Sequence[Composed]) -> list[Problem]:
    """That choices of models, such as those of an experiment, are all given one file: tables would call it by their names."""
    names: dict[str, set[str]] = {}
    for one in points:
        if (model := one.experiment.model).path and model.name:
            names.setdefault(model.path, set()).add(model.name)
    return [
        Problem(
            f"model.path={path} is called {' and '.join(sorted(several))} by turns",
            "add model=file, and it is called by its own name",
            "model.path",
        )
        for path, several in names.items()
        if len(several) > 1
    ]


def resolve(config: DictConfig, config_dirs: Sequence[Path] = ()) -> Composed:
    """Resolve interpolations and missing values of a composed config.

    Args:
        config: as Hydra composed it.
        config_dirs: the user's config folders, strongest first.

    Raises:
        ConfigError: a value is missing, or an interpolation leads nowhere.
    """
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise ConfigError(
                "the experiment cannot run:",
                [Problem(f"{key} is not set", f"give {key}=VALUE", key) for key in missing],
            )
        experiment = OmegaConf.to_object(config)
        values: Any = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError("the experiment cannot run:", [first_line(error)]) from None
    written = OmegaConf.to_container(config, resolve=False)
    if bad := [*unusable("", values), *values_with_secrets(written, values)]:
        raise ConfigError("the experiment cannot run:", bad)
    task = TASKS.get(values["task"]["name"])
    if task is not None and not task.learns_layout:
        del values["classes"]
    composed = Composed(experiment, values)  # type: ignore[arg-type]
    if _is_of_its_own(values["architecture"], config_dirs):
        return composed.with_settings("architecture", name=None)
    return composed


def _is_of_its_own(architecture: dict[str, Any], config_dirs: Sequence[Path]) -> bool:
    """Whether a network was typed in the place of the one of a choice: it is not called by the choice's name then."""
    for folder in (*config_dirs, conf_dir()):
        choices = {file.stem: file for file in folder.glob("architecture/*.yaml")}
        if file := choices.get(str(architecture["name"])):
            try:
                return bool(architecture["spec"] != OmegaConf.select(OmegaConf.load(file), "spec"))
            except UNREADABLE:
                return False
    return False


def _located(composed: Composed) -> Composed:
    """The experiment with ground truth where it is: a folder that is not in the current directory may be in the site's."""
    path, said = located(composed.experiment.dataset.path, composed.experiment.site.ground_truth)
    return replace(composed.with_settings("dataset", path=path), located=said) if said else composed


def slurm_settings(known: Slurm, words: Sequence[str], config_dirs: Sequence[Path] = ()) -> Slurm:
    """Settings of Slurm, changed by `slurm=CHOICE` and `slurm.KEY=VALUE`.

    Raises:
        ConfigError: with every bad key and value.
    """
    if not words:
        return known
    if any(word.startswith("slurm=") for word in words):
        return compose_experiment(words, config_dirs).experiment.slurm
    changed = {word.partition("=")[0].removeprefix("slurm.").partition(".")[0] for word in words}
    if not known.submit:
        raise ConfigError(
            "the settings cannot be used:", [f"{word}: the run was not submitted; add slurm=CHOICE" for word in words]
        )
    template = ["slurm=template", "slurm.partition=unknown", "slurm.time_min=1"]
    kept = [word for word in template if word.partition("=")[0].removeprefix("slurm.") not in changed]
    given = compose_experiment([*kept, *words], config_dirs).experiment.slurm
    return replace(known, **{key: getattr(given, key) for key in changed})


def _explained(typed: Sequence[str], words: Sequence[str], error: Exception) -> ConfigError:
    """Compose each override alone, so that every bad one is named, not the first."""
    problems: dict[str, Exception] = {}
    single = [
        word
        for word in words
        if not (word.startswith("hydra") or OverridesParser.create().parse_override(word).is_sweep_override())
    ]
    groups = [word for word in single if "." not in word.partition("=")[0]]
    tasks = [word for word in groups if word.startswith("task=")]  # which keys there are hangs on it
    for word in sorted(single, key=lambda word: word not in groups):
        others = tasks if word in groups else [group for group in groups if group not in problems]
        try:
            compose("config", overrides=[*(other for other in others if other != word), word])
        except UNREADABLE as why:
            problems[word] = why
    found = [_not_composed(problems[word], one) for one, word in zip(typed, words) if word in problems]
    return ConfigError("the experiment cannot be composed:", list(dict.fromkeys(found)) or [_not_composed(error)])


def _not_composed(error: BaseException, typed: str = "") -> Problem:
    """Why something cannot be composed; of a key that the task does not have, which keys it has.

    Args:
        error: of Hydra.
        typed: the word that is the reason; "": it is not known.
    """
    said, where = f"{typed}: " if typed else "", typed.partition("=")[0]
    for one in (error, error.__cause__, error.__context__):
        if not isinstance(one, (ConfigKeyError, ConfigAttributeError)):
            continue
        for task, sections in SECTIONS.items():
            for section, keys in sections.items():
                if one.object_type is keys:
                    known = ", ".join(field.name for field in fields(keys))
                    what = f"{said}task={task.name} has no {one.full_key}"
                    return Problem(what, f"remove it; keys of {section}: {known}", where or str(one.full_key))
    return Problem(f"{said}{first_line(error.__cause__ or error)}", where=where)
