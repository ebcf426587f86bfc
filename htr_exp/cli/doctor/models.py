"""Base models on this machine, by their headers; published ones that are not here yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from htr_exp.cli.doctor.finding import TIMEOUT_S, Finding, error, note, ok, warning
from htr_exp.config.choices import conf_dir
from htr_exp.config.schema import Experiment, Model
from htr_exp.core.errors import ModelError
from htr_exp.core.program import NoAnswer
from htr_exp.core.text import counted, size
from htr_exp.core.time_limit import within
from htr_exp.kraken import model_store
from htr_exp.kraken.model_file import read_header

SHOWN = 40
"""So many models are told one by one."""

SUFFIXES = (".mlmodel", ".safetensors", ".pronn", ".clstm", ".hdf5")


def findings(experiment: Experiment, folder: Path, config_dirs: Sequence[Path], *, asked: bool) -> Iterator[Finding]:
    """Look at base models.

    Args:
        experiment: as composed.
        folder: site.models.
        config_dirs: the user's config folders.
        asked: a model was named on the command line: it alone is of interest.
    """
    if asked:
        if experiment.model.name != "none":
            yield _chosen(experiment.model, folder)
        return
    try:
        files = within(TIMEOUT_S, lambda: _files(folder), f"the file system of {folder}")
    except (NoAnswer, OSError) as failure:
        yield error(
            "models", f"{folder} cannot be read: {failure}", "correct that, or put models elsewhere: site.models=FOLDER"
        )
        return
    if not files:
        yield note("models", f"there is none in {folder}", "put model files there, or name one: model.path=FILE")
    for file in files[:SHOWN]:
        yield _read(file.name, file, "warning")
    if len(files) > SHOWN:
        yield note("models", f"{len(files) - SHOWN} more in {folder}")
    yield from _published(folder, config_dirs, {file.name for file in files})


def _files(folder: Path) -> list[Path]:
    return (
        sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
        if folder.is_dir()
        else []
    )


def _read(name: str, file: Path, unusable: str) -> Finding:
    try:
        header = within(TIMEOUT_S, lambda: read_header(file), str(file))
    except NoAnswer as silent:
        return Finding(name, unusable, str(silent), "see whether its disk answers, or copy it again")
    except ModelError as failure:
        return Finding(name, unusable, failure.one_line, "copy or download it again, or take it out of the folder")
    alphabet = f", {counted(len(header.alphabet), 'character')}" if header.alphabet is not None else ""
    return ok(name, f"{header.kind.name}{alphabet}, {size(file.stat().st_size)}, network {_shortened(header.network)}")


def _shortened(network: str) -> str:
    """A long network specification, reduced to its first and last layers: input and output."""
    return network if len(network) <= 60 else f"{network[:30].rstrip()} ... {network[-20:].lstrip()}"


def _chosen(model: Model, folder: Path) -> Finding:
    name = f"model {model.name or model.file or model.path or model.doi}"
    try:
        found = _located(model, folder)
    except NoAnswer as silent:
        return error(name, str(silent), "see whether its disk answers")
    if found is not None:
        return _read(name, found, "error")
    if model.doi and not model.path:
        return note(
            name, f"is not here yet (DOI {model.doi})", "the first training fetches it, which needs the network"
        )
    if model.path is None and model.file is None:
        return error(name, "no model is chosen", "model=NAME of `options`, or model.path=FILE, or model=none")
    return error(
        name,
        f"{model.path or model.file} is not there, nor in {folder}",
        "see that the name is right, or put the file there",
    )


def _located(model: Model, folder: Path) -> Path | None:
    return within(TIMEOUT_S, lambda: model_store.locate(model, [folder]), f"{folder}, or the home folder,")


def _published(folder: Path, config_dirs: Sequence[Path], shown: set[str]) -> Iterator[Finding]:
    """Yield the choices of the configuration that have a DOI: where they are, or that they are not here yet."""
    choices = {
        file.stem: file for place in (conf_dir(), *reversed(config_dirs)) for file in sorted(place.glob("model/*.yaml"))
    }
    for choice, file in sorted(choices.items()):
        name = f"model={choice}"
        try:
            values = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, yaml.YAMLError) as failure:
            yield warning(name, f"{file} cannot be read: {' '.join(str(failure).split())}", "correct that file")
            continue
        if not isinstance(values, dict) or not values.get("doi") or values.get("path"):
            continue
        model = Model(doi=str(values["doi"]), file=values.get("file"))
        try:
            found = _located(model, folder)
        except NoAnswer as silent:
            yield warning(name, str(silent), "see whether its disk answers")
            continue
        if found is None:
            yield note(name, f"is not here yet: the first training with it fetches it (DOI {model.doi})")
        elif found.name not in shown:
            yield _read(name, found, "warning")
