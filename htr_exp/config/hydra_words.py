"""Hydra's own settings and options: which of them there are here, and what to type instead of the others."""

from __future__ import annotations

from htr_exp.core.problem import Problem

VERBOSE = "hydra.verbose"
SWEPT = "hydra.sweeper.params"

_FOLDERS = "a run's folder is named by what it is: name=NAME, and site.runs=FOLDER for where all of them are"
_LOGS = (
    "kraken's output is always kept, `logs RUN` shows it; hydra.verbose=true shows how the configuration was composed"
)

INSTEAD = {
    "hydra.run": _FOLDERS,
    "hydra.sweep": _FOLDERS,
    "hydra.output_subdir": "a run folder always has its configuration, experiment.yaml",
    "hydra.job": "name=NAME names a run; variables are set in the shell, and no folder is changed",
    "hydra.mode": "`train` makes one run, `train -m` a sweep",
    "hydra.searchpath": "--config-dir FOLDER names a config folder of yours",
    "hydra.launcher": "slurm=CHOICE submits runs, launch.jobs=NUMBER works on several here at a time",
    "hydra.job_logging": _LOGS,
    "hydra.hydra_logging": _LOGS,
    "hydra.sweeper.n_trials": "launch/search=optuna launch.search.trials=NUMBER",
    "hydra.sweeper.n_jobs": "launch/search=optuna launch.search.at_a_time=NUMBER",
    "hydra.sweeper.sampler": "launch/search=optuna launch.search.sampler=tpe or random, launch.search.seed=NUMBER",
    "hydra.sweeper.direction": "a search always looks for the best validation score: launch/search=optuna",
    "hydra.sweeper.storage": "the run folders hold what a search knows, and the same command goes on with it: launch/search=optuna",
    "hydra.sweeper.study_name": "the run folders hold what a search knows, and the same command goes on with it: launch/search=optuna",
    "hydra.sweeper.search_space": "launch/search=optuna training.lrate='tag(log, interval(1e-4,1e-2))'",
    "hydra.sweeper": "launch/search=optuna searches over values; without it `train -m` trains every point",
    "hydra.help": "`train --help` and `options` say what there is",
    "hydra.hydra_help": "--hydra-help says what there is of Hydra",
    "hydra.callbacks": "`status --json` and `sync` tell programs of runs",
}
"""What to type instead of a setting of Hydra's and all below it."""

FLAGS = {
    "--config-path": "write --config-dir FOLDER: files in it come before those that are shipped",
    "-cp": "write --config-dir FOLDER: files in it come before those that are shipped",
    "--config-name": "there is one configuration, conf/config.yaml; write experiment=NAME for a file of yours with many settings",
    "-cn": "there is one configuration, conf/config.yaml; write experiment=NAME for a file of yours with many settings",
    "-cd": "write --config-dir FOLDER",
    "--run": "leave it out: without -m one run is made",
    "--experimental-rerun": "write `resume RUN`, or the command that began the run: the same words mean the same run",
    "--shell-completion": "write `completion bash`, `completion zsh` or `completion fish`",
    "-sc": "write `completion bash`, `completion zsh` or `completion fish`",
}
"""What to type instead of an option of Hydra's."""

HELP = """What there is of Hydra here, which composes the configuration (https://hydra.cc/docs/1.3/):

  GROUP=CHOICE KEY=VALUE     choose a file of a group, set a key
  ++KEY=VALUE                the same: every key is there already, so that none is added (+KEY) or removed (~KEY)
  +slurm.extra.KEY=VALUE     but in dictionaries, as slurm.extra and classes.lines, where + may also be left out
  -m KEY=A,B                 a sweep; also range(1,4), choice(a,b) and glob(*) of a group
  -m launch/search=optuna    a search; also interval(1,5) and tag(log, interval(1e-4,1e-2))
  hydra.sweeper.params...    what an experiment sweeps over, in conf/experiment/NAME.yaml
  hydra.verbose=true         say first how the configuration was composed, as --info all
  --cfg job|hydra|all        print the configuration and end; --resolve: with the values of ${...}; --package GROUP: of one group
  --info [WHAT]              print where it comes from and end: all, config, defaults, defaults-tree, plugins, searchpath
  --config-dir FOLDER        a config folder of your own, before conf/ of this folder and the shipped one
  --dry-run                  what a run would be, which Hydra cannot know

What there is not, and what to type instead:

"""


def help_text() -> str:
    """What `--hydra-help` shows."""
    rows = {**{f"{key}...": instead for key, instead in INSTEAD.items()}, **FLAGS}
    return HELP + "\n".join(f"  {name:26} {instead}" for name, instead in rows.items())


def problems(word: str) -> list[Problem]:
    """Why a word about Hydra itself cannot be; [] if it can, or is about something else."""
    typed, _, value = word.partition("=")
    key = typed.lstrip("+~").partition("@")[0].replace("/", ".")
    if key != "hydra" and not key.startswith("hydra."):
        return []
    if f"{key}.".startswith(f"{SWEPT}.") and not typed.startswith("~"):
        return []
    if key == VERBOSE:
        if value in ("true", "false") and not typed.startswith("~"):
            return []
        return [Problem(f"{word}: it is true or false here", f"write {VERBOSE}=true", VERBOSE)]
    instead = next((said for own, said in INSTEAD.items() if key == own or key.startswith(f"{own}.")), "")
    what = f"{word}: Hydra only composes the configuration here, and this setting of its own would change nothing"
    return [Problem(what, instead or "leave it out; --hydra-help says what there is of Hydra", key)]
