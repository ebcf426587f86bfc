"""From a configuration to its split: which pages are grouped by what, and which folds there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from htr_exp.config.compose import Composed
from htr_exp.config.places import places_of
from htr_exp.config.schema import BUILT_IN, Experiment
from htr_exp.core.errors import ConfigError
from htr_exp.splits import folds as splits_folds
from htr_exp.splits.folds import k_fold, leave_out
from htr_exp.splits.groups import Grouping, SplitPage, UnknownColumn, grouped
from htr_exp.splits.line_pages import describes_lines, metadata_of_lines
from htr_exp.splits.recorded import on_test_pages, pin, recorded
from htr_exp.splits.split import NAMES, Split, draw, everything, first_pages, given
from htr_exp.splits.tables import Metadata, read_list, read_metadata, read_table

DRAWN = ("drawn", "page", "k_fold", "leave_one_out")
"""The kinds of split that are drawn anew from the pages, and keep near pages on one side of their own accord."""

Tables = dict[Any, Metadata]
"""Metadata that was read already, for plans of one command."""


def made(
    experiment: Experiment,
    pages: Sequence[SplitPage],
    tables: Tables,
    *,
    together: Iterable[Collection[str]] = (),
) -> Split:
    """The split that an experiment asks for.

    Args:
        experiment: its rules checked.
        pages: all pages.
        tables: metadata that was read already.
        together: sets of page names that a drawn split keeps on one side for other reasons than their image.

    Raises:
        ConfigError: every fold is asked for, which is a sweep.
        DatasetError: the pages cannot be split so.
    """
    config = experiment.split
    split = _made(experiment, pages, tables, together)
    if config.train_pages is None:
        return split
    strata = _stratify(experiment, pages, tables)
    return first_pages(split, pages, count=config.train_pages, order_seed=config.order_seed, stratify=strata)


def evaluated(experiment: Experiment, pages: Sequence[SplitPage]) -> Split:
    """The pages on which an evaluation scores: the test pages of a run where one is named, else all.

    Raises:
        ConfigError: there is no such run.
        DatasetError: it has no test pages, or some are gone.
    """
    config = experiment.split
    if config.kind != "of_run" or not config.run:
        return everything(pages)
    record = recorded(str(config.run), places_of(experiment).runs)
    return on_test_pages(pages, record, without_gone=config.gone == "leave_out")


def _made(
    experiment: Experiment, pages: Sequence[SplitPage], tables: Tables, together: Iterable[Collection[str]]
) -> Split:
    config = experiment.split
    if config.kind == "table":
        table = _file(str(config.table))
        lists: dict[str, Sequence[str]] = dict(read_table(table, page_column=config.page_column, column=config.column))
        return given(pages, lists, table.name)
    if config.kind == "lists":
        lists = {
            side: read_list(_file(file))
            for side in NAMES
            if (file := getattr(config.lists, side)) is not None
        }  # fmt: skip
        return given(pages, lists, "split.lists")
    if config.kind == "of_run":
        record = recorded(str(config.run), places_of(experiment).runs)
        by = _grouped(
            experiment, "by", config.by or record.by, pages, tables, "" if config.by else f" (as in {record.name})"
        )
        split = pin(
            pages, record, seed=config.seed, validation=config.validation,
            test=config.test, by=by, together=together, without_gone=config.gone == "leave_out",
        )  # fmt: skip
        return replace(split, by=by.by, group=by.of)
    by = _grouped(experiment, "by", config.by or "page", pages, tables)
    return replace(_drawn(experiment, pages, tables, together, by), by=by.by, group=by.of)


def _drawn(
    experiment: Experiment,
    pages: Sequence[SplitPage],
    tables: Tables,
    together: Iterable[Collection[str]],
    by: Grouping,
) -> Split:
    config = experiment.split
    stratify = _stratify(experiment, pages, tables)
    if config.fold == "all":
        raise ConfigError("split.fold=all makes a run for every fold, which is a sweep: run `train -m ...`")
    if config.kind == "k_fold":
        return k_fold(
            pages, fold=int(str(config.fold)), folds=config.folds, seed=config.seed, validation=config.validation,
            by=by, stratify=stratify, together=together,
        )  # fmt: skip
    if config.kind == "leave_one_out":
        return leave_out(
            pages, left_out=str(config.fold), seed=config.seed, validation=config.validation,
            by=by, stratify=stratify, together=together,
        )  # fmt: skip
    return draw(
        pages, seed=config.seed, validation=config.validation, test=config.test,
        by=by, stratify=stratify, together=together,
    )  # fmt: skip


def has_folds(experiment: Experiment) -> bool:
    """Say whether an experiment asks for every fold of its split."""
    return experiment.split.kind in ("k_fold", "leave_one_out") and experiment.split.fold == "all"


def folds(experiment: Experiment, pages: Sequence[SplitPage], tables: Tables) -> list[str]:
    """What `split.fold` may be, for a split that has folds.

    Raises:
        DatasetError: the pages cannot be grouped so.
    """
    config = experiment.split
    if config.kind == "k_fold":
        return [str(number + 1) for number in range(config.folds)]
    return splits_folds.folds(_grouped(experiment, "by", config.by or "page", pages, tables))


def with_fold(composed: Composed, fold: str) -> Composed:
    """An experiment for one of the folds, as if that had been typed."""
    experiment = composed.experiment
    return Composed(
        replace(experiment, split=replace(experiment.split, fold=fold)),
        composed.values | {"split": composed.values["split"] | {"fold": fold}},
    )


def _stratify(experiment: Experiment, pages: Sequence[SplitPage], tables: Tables) -> Grouping | None:
    stratify = experiment.split.stratify
    return _grouped(experiment, "stratify", stratify, pages, tables) if stratify else None


def _grouped(
    experiment: Experiment, key: str, by: str, pages: Sequence[SplitPage], tables: Tables, whence: str = ""
) -> Grouping:
    metadata = None if by in BUILT_IN else metadata_of(experiment, pages, tables)
    try:
        return grouped(pages, by, metadata)
    except UnknownColumn as error:
        raise ConfigError(f"split.{key}={by}{whence}: {error}") from None


def metadata_of(experiment: Experiment, pages: Sequence[SplitPage], tables: Tables) -> Metadata | None:
    """The table with a row for each page; None without one.

    Raises:
        DatasetError: it cannot be used.
    """
    config = experiment.dataset
    if config.metadata is None:
        return None
    known = (id(pages), config.metadata, config.page_column)
    if known not in tables:
        table, column = _file(config.metadata), config.page_column
        if describes_lines(config, pages):
            tables[known] = metadata_of_lines(table, page_column=column, pages=pages)
        else:
            tables[known] = read_metadata(table, page_column=column, pages=pages)
    return tables[known]


def _file(path: str) -> Path:
    return Path(path).expanduser().absolute()
