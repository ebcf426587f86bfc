"""What is wrong with how a list of runs is started, and with a search over values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from htr_exp.config.schema import Experiment, Search
from htr_exp.core.problem import Problem

LEAST = {"trials": 1, "at_a_time": 1, "startup_trials": 0, "seed": 0}


def launch_problems(experiment: Experiment, defaults: Search) -> Iterator[Problem]:
    """What is wrong with the group `launch`.

    Args:
        experiment: as composed.
        defaults: the shipped values of a search.
    """
    launch = experiment.launch
    if launch.jobs < 1:
        yield Problem(f"launch.jobs={launch.jobs}: it must be at least 1", where="launch.jobs")
    if launch.search.name == "optuna":
        yield from _search(experiment, defaults)
        return
    for key in [field.name for field in fields(Search) if field.name != "name"]:
        if (value := getattr(launch.search, key)) is not None:
            what = f"launch.search.{key}={value} changes nothing without a search"
            yield Problem(what, "add launch/search=optuna", f"launch.search.{key}")


def _search(experiment: Experiment, defaults: Search) -> Iterator[Problem]:
    launch, search, split = experiment.launch, experiment.launch.search, experiment.split
    for key, least in LEAST.items():
        value = getattr(search, key)
        if value is None:
            yield Problem(f"launch.search.{key} is not set", f"give launch.search.{key}=NUMBER", f"launch.search.{key}")
        elif value < least:
            yield Problem(f"launch.search.{key}={value}: it must be at least {least}", where=f"launch.search.{key}")
    if search.sampler is None:
        yield Problem("launch.search.sampler is not set", "give launch.search.sampler=tpe", "launch.search.sampler")
    if search.sampler == "random" and search.startup_trials != defaults.startup_trials:
        what = f"launch.search.startup_trials={search.startup_trials} changes nothing with launch.search.sampler=random"
        yield Problem(what, "remove it", "launch.search.startup_trials")
    if launch.jobs != 1:
        what = f"launch.jobs={launch.jobs} changes nothing with launch/search=optuna"
        yield Problem(what, f"use launch.search.at_a_time={launch.jobs}", "launch.jobs")
    if launch.wait:
        what = "launch.wait=true changes nothing with launch/search=optuna, which always waits for its trials"
        yield Problem(what, "remove it", "launch.wait")
    if experiment.again:
        what = "again=true: the runs of a search are its memory, and no trial is made twice"
        yield Problem(what, "remove it; launch.search.seed=NUMBER makes another search", "again")
    if split.fold == "all":
        what = "split.fold=all makes several runs of each point, and a trial of a search is one run"
        yield Problem(what, "name one fold, or sweep over values: leave out launch/search=optuna", "split.fold")
