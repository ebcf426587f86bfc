"""From the words of the command line to a checked experiment: Hydra composes conf/, we say everything that is wrong."""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Transformer
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from htr_exp.config import kraken_words
from htr_exp.config.places import kraken_file
from htr_exp.config.schema import CHOICES, SECTIONS, Experiment, Slurm, experiment_of, tasks_with
from htr_exp.core.errors import ConfigError
from htr_exp.core.problem import Problem
from htr_exp.core.task import TASKS, Task

PACKAGE = Path(__file__).resolve().parents[1]

CLASS_KEYS = re.compile(r"classes\.(lines|regions)\.(.+)$")
"""Keys of a dictionary whose own keys are the user's: types of lines and regions."""

LITERAL_KEYS = re.compile(
    r"(dataset\.(path|pattern|exclude|name|characters|metadata|page_column)|(segmentation_)?model\.(path|file|name|doi|trained_on)|architecture\.spec|split\.(lists\.\w+|table|page_column|column|by|stratify|fold)"
    r"|runtime\.(ketos|kraken|module|image|fallback_kraken)|site\.\w+|tracking\.uri|name|question"
    r"|slurm\.(partition|gres|constraint|account|qos|mail_type|mail_user|nodelist|exclude|compile_partition|extra\.[\w-]+))$"
)
"""Keys whose values are names, paths or VGSL specs: taken as typed, whatever Hydra's grammar makes of their characters."""


WHOLE_KEYS = ("architecture.spec", "slurm.mail_type", "slurm.nodelist", "slurm.exclude")
"""Those of them whose values hold commas: never several values of a sweep."""

UNREADABLE = (HydraException, OmegaConfBaseException, YAMLError, UnicodeDecodeError)
"""What is raised of files and values that make no experiment."""


@dataclass(frozen=True)
class Composed:
    """An experiment as composed."""

    experiment: Experiment
    values: dict[str, Any]  # the same as plain values, resolved: what the record keeps


def conf_dir() -> Path:
    """Return conf/: beside the package in a checkout, inside it once installed.

    Raises:
        ConfigError: it is in neither place.
    """
    for folder in (PACKAGE / "conf", PACKAGE.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise ConfigError("conf/config.yaml was not found: reinstall htr-exp, or run from a checkout")


def overlays(config_dir: str | None = None) -> list[Path]:
    """Return the user's config folders, strongest first: --config-dir, then conf/ of the folder one stands in.

    A conf/ that has a config.yaml of its own belongs to another Hydra program and is left alone.

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
    here = Path("conf").resolve()
    if here.is_dir() and not (here / "config.yaml").exists() and here not in found:
        found.append(here)
    return found


def options(config_dirs: Sequence[Path] = ()) -> dict[str, dict[str, str]]:
    """Return every choice of every group with the sentence that its file opens with."""
    found: dict[str, dict[str, str]] = {}
    for folder in (conf_dir(), *reversed(config_dirs)):
        for file in sorted(folder.glob("*/*.yaml")):
            lines = [
                line
                for line in file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
                if not line.startswith("# @package")
            ]
            first = lines[0] if lines else ""
            found.setdefault(file.parent.name, {})[file.stem] = first.lstrip("# ") if first.startswith("#") else ""
    return {group: dict(sorted(choices.items())) for group, choices in sorted(found.items())}


def compose_experiment(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> Composed:
    """Compose one experiment.

    Args:
        overrides: `key=value` and `group=choice` as typed.
        config_dirs: the user's config folders, strongest first.

    Raises:
        ConfigError: with every bad key, value and missing value.
    """
    words = _checked(overrides, config_dirs, multirun=False)
    with _hydra(config_dirs):
        try:
            composed = compose("config", overrides=words, return_hydra_config=True)
        except UNREADABLE as error:
            raise _explained(overrides, words, error) from None
    swept = composed.hydra.sweeper.get("params")
    if swept:
        raise ConfigError(
            "the experiment cannot run:",
            [f"it is a sweep over {', '.join(swept)}: run `train -m ...`, which trains every point"],
        )
    with open_dict(composed):
        del composed["hydra"]
    return resolve(composed)


def compose_sweep(
    overrides: Sequence[str], launch: Callable[[list[Composed]], list[Any]], config_dirs: Sequence[Path] = ()
) -> None:
    """Let Hydra's sweeper expand `overrides` and hand all points, or each batch of a sweeper that learns, to `launch`.

    Args:
        overrides: as for `compose_experiment`; `key=a,b` and `key=range(...)` make points.
        launch: gets the composed points, returns one value each to be minimised (the validation CER), or None where it is not waited for.
        config_dirs: the user's config folders, strongest first.

    Raises:
        ConfigError: with every bad key, value and missing value.
    """
    words = _checked(overrides, config_dirs, multirun=True)

    def points(configs: list[DictConfig]) -> list[Any]:
        problems: list[Problem] = []
        composed = []
        for config in configs:
            try:
                composed.append(resolve(config))
            except ConfigError as error:
                problems += [problem for problem in error.problems if problem not in problems]
        if problems:
            raise ConfigError("the sweep cannot run:", problems)
        return launch(composed)

    # Hydra's basic sweeper leaves a multirun.yaml; the run folders say all that it would.
    with tempfile.TemporaryDirectory(prefix="htr_exp-sweep-") as scratch, _hydra(config_dirs):
        try:
            GlobalHydra.instance().hydra.multirun(  # type: ignore[union-attr]
                config_name="config",
                task_function=points,
                overrides=[*words, f"hydra.sweep.dir='{scratch}'"],
                with_log_configuration=False,
            )
        except UNREADABLE as error:
            raise _explained(overrides, words, error) from None


def resolve(config: DictConfig) -> Composed:
    """Resolve interpolations and missing values of a composed config.

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
        raise ConfigError("the experiment cannot run:", [_first_line(error)]) from None
    task = TASKS.get(values["task"]["name"])
    if task is not None and not task.learns_layout:
        del values["classes"]
    return Composed(experiment, values)  # type: ignore[arg-type]


def slurm_settings(known: Slurm, words: Sequence[str], config_dirs: Sequence[Path] = ()) -> Slurm:
    """Return settings of Slurm, changed by `slurm=CHOICE` and `slurm.KEY=VALUE`.

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


def word_problems(values: dict[str, Any]) -> list[Problem]:
    """What is wrong with each key that takes one of a few words."""
    problems = []
    for key, words in CHOICES.items():
        value: Any = values
        for part in key.split("."):
            value = value.get(part) if value is not None else None  # a task may not have the key
        if value is not None and value not in words:
            problems.append(_word_problem(key, value, words))
    return problems


def _word_problem(key: str, value: Any, words: Sequence[str]) -> Problem:
    if meant := kraken_words.of_value(key, value):
        return Problem(f"{key}={value}: {meant}", where=key)
    return Problem(f"{key}={value}", f"choose one of {', '.join(words)}{_meant(str(value), words)}", key)


@contextmanager
def _hydra(config_dirs: Sequence[Path]) -> Iterator[None]:
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
    _search_first[:] = [str(folder) for folder in config_dirs]
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            yield
    finally:
        _search_first.clear()


_search_first: list[str] = []  # read by the search path plugin, which Hydra makes without arguments


def search_first() -> list[str]:
    """Return the user's config folders of the composition under way, strongest first."""
    return list(_search_first)


def _checked(overrides: Sequence[str], config_dirs: Sequence[Path], *, multirun: bool) -> list[str]:
    groups = options(config_dirs)
    tasks = _tasks_chosen(overrides)
    values = {task: OmegaConf.structured(experiment_of(task)) for task in TASKS.values()}
    problems: list[Problem] = []
    words: list[str] = []
    for typed in overrides:
        word = _literal(typed, multirun=multirun)
        words.append(word)
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException as error:
            instead = (
                "write such a type in a file of yours, conf/classes/NAME.yaml"
                if CLASS_KEYS.match(typed)
                else "write KEY=VALUE"
            )
            problems.append(Problem(f"{typed}: {_first_line(error)}", instead, typed.partition("=")[0]))
            continue
        key = override.key_or_group
        if key.startswith(("hydra", "slurm.extra.")) or word.startswith("++classes."):
            continue
        if override.type is not None and override.type.name != "CHANGE":
            problems += _key_problem(typed, key, groups, tasks) or [
                Problem(f"{typed}: keys are neither added nor removed here", f"write {key}=VALUE", key)
            ]
        elif override.is_sweep_override() and not multirun:
            problems.append(Problem(f"{typed}: several values make a sweep", "run `train -m ...`", key))
        elif isinstance(glob := override.value(), Glob):
            problems += _glob_problems(typed, key, glob, groups)
        elif key in groups and "." not in key:
            for value in map(str, _values(override)):
                if value not in groups[key] and value != "None":
                    remedy = f"choose one of {', '.join(groups[key])}{_meant(value, groups[key])}"
                    problems.append(Problem(f"{key}={value}: there is no such {key}", remedy, key))
        else:
            problems += _key_problem(typed, key, groups, tasks) or _value_problems(
                key, _values(override), values[tasks_with(key)[0]]
            )
    if problems:
        raise ConfigError("the command line cannot be used:", problems)
    return words


def _tasks_chosen(words: Sequence[str]) -> list[Task]:
    """Return the tasks that words choose, all if they choose none: a file may choose it, too."""
    chosen = [name for word in words if word.startswith("task=") for name in word.partition("=")[2].split(",")]
    return [TASKS[name] for name in chosen if name in TASKS] or list(TASKS.values())


def _glob_problems(typed: str, key: str, glob: Glob, groups: dict[str, dict[str, str]]) -> list[Problem]:
    """Why a pattern chooses nothing: Hydra knows it for groups alone."""
    if key not in groups:
        what = f"{typed}: glob chooses among the choices of a group, and {key} is none"
        return [Problem(what, f"write {key}=A,B", key)]
    if not glob.filter(list(groups[key])):
        return [Problem(f"{typed}: no {key} has such a name", f"choose among {', '.join(groups[key])}", key)]
    return []


def _values(override: Any) -> list[Any]:
    if not override.is_sweep_override():
        return [override.value()]
    return [] if override.is_interval_sweep() else list(override.sweep_iterator(Transformer.identity))


def _value_problems(key: str, typed: Sequence[Any], values: DictConfig) -> list[Problem]:
    """Which values have another type than the schema's, or are none of the words that the key takes."""
    problems = []
    for value in typed:
        try:
            OmegaConf.update(values, key, value)
        except OmegaConfBaseException as error:
            problems.append(Problem(f"{key}={value}: {_first_line(error)}", where=key))
            continue
        # words of kraken's are told with all else that whoever types them is used to, by `word_problems`
        words = () if kraken_words.of_value(key, value) else CHOICES.get(key, ())
        if words and value is not None and value not in words and "${" not in str(value):
            problems.append(_word_problem(key, value, words))
    return problems


def _key_problem(typed: str, key: str, groups: dict[str, dict[str, str]], tasks: Sequence[Task]) -> list[Problem]:
    """That no task has a key; where another task has it than the chosen one, composing says so."""
    task = next(iter(tasks_with(key)), tasks[0])
    node: Any = Experiment
    path: list[str] = []
    for part in key.split("."):
        names = {field.name: get_type_hints(node)[field.name] for field in fields(node)} if is_dataclass(node) else {}
        if part not in names:
            where = ".".join(path)
            known = list(names) if path else sorted({*names, *groups})
            if not known:
                return [Problem(f"{typed}: {where} has no keys of its own", where=key)]
            what = f"{typed}: there is no key `{part}`{f' in {where}' if where else ''}{_meant(part, known)}"
            return [Problem(what, f"keys: {', '.join(known)}", key)]
        path.append(part)
        node = next((arg for arg in get_args(names[part]) if is_dataclass(arg)), names[part])
        if len(path) == 1:
            node = SECTIONS[task].get(part, node)
    if is_dataclass(node):
        keys = ", ".join(f"{key}.{field.name}" for field in fields(node))
        return [Problem(f"{typed}: {key} has keys: {keys}", where=key)]
    return []


def _literal(typed: str, *, multirun: bool) -> str:
    key, equals, value = typed.partition("=")
    if equals and (of_type := CLASS_KEYS.match(key)):
        kind = re.sub(r"([\\,{}:=\s()\[\]])", r"\\\1", of_type[2])
        return f"++classes.{of_type[1]}={{{kind}: {value if value in ('', 'null') else _quoted(value)}}}"
    if key in ("classes.lines", "classes.regions") and value.startswith("{"):
        return f"++{typed}"
    if not equals or not LITERAL_KEYS.match(key) or value in ("", "null") or re.fullmatch(r"(['\"]).*\1", value):
        return typed
    if key == "dataset.exclude" and not value.startswith("["):
        return f"{key}=[{_quoted(value)}]"
    if (
        key in ("dataset.path", "dataset.exclude")
        and value.startswith("[")
        and value.endswith("]")
        and not Path(value).exists()
    ):
        if re.search(r"[\[,]\s*(['\"]).*\1\s*[,\]]", value):
            return typed  # whoever quotes an item has a comma in it
        return f"{key}=[{','.join(_quoted(item.strip()) for item in value[1:-1].split(','))}]"
    if key.startswith("slurm.extra."):
        key = f"++{key}"  # a dictionary: sbatch knows which of its keys there are
        if value in ("true", "false"):  # an option without a value
            return f"{key}={value}"
    if multirun and key not in WHOLE_KEYS and not Path(value).exists():
        return f"{key}={','.join(_quoted(item) for item in value.split(','))}"
    return f"{key}={_quoted(value)}"


def _quoted(value: str) -> str:
    literal = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)  # OmegaConf's escape, which Hydra passes on
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", literal)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return "'" + escaped + "\\" * trailing + "'"


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
    return Problem(f"{said}{_first_line(error.__cause__ or error)}", where=where)


def _meant(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _first_line(error: BaseException) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem_mark.name}:{error.problem_mark.line + 1}: {error.problem}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
