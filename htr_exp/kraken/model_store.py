"""Where the base model of a config is on this machine, and how it gets here from its DOI.

Fetching goes through htrmopo, the library kraken itself fetches models with, and ends in htrmopo's own store: what was
fetched here is there for `kraken -m`, and the other way round.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import platformdirs

from htr_exp.config.places import kraken_file
from htr_exp.core.errors import ModelError
from htr_exp.core.files import beside
from htr_exp.core.own_command import own_command
from htr_exp.core.own_python import python_module
from htr_exp.core.problem import Problem
from htr_exp.core.program import NoAnswer, ask
from htr_exp.kraken.model_file import read_header

SUFFIXES = (".mlmodel", ".safetensors")  # in this order: every supported kraken loads the first


class Model(Protocol):
    """What is needed of the section `model` of a config."""

    @property
    def name(self) -> str | None: ...
    @property
    def path(self) -> str | None: ...
    @property
    def doi(self) -> str | None: ...
    @property
    def file(self) -> str | None: ...


def obtain(model: Model, folders: Sequence[Path], *, timeout_s: float | None) -> Path:
    """Find the file of a base model, fetched from its DOI if it is nowhere here.

    Args:
        model: the base model of a config.
        folders: where models are kept, the first being where a user would put one.
        timeout_s: how long a download may take, seconds; None never downloads.

    Raises:
        ModelError: it is not here and cannot be fetched; says what to do.
    """
    found = locate(model, folders)
    if found is not None:
        return found
    if model.doi and not model.path and timeout_s is not None:
        return fetch(model.doi, model.file, timeout_s=timeout_s, put_in=folders[0] if folders else None)
    name = model.name or model.file or model.path or model.doi
    raise ModelError(f"the base model {name} is not on this machine", [_missing(model, folders)])


def locate(model: Model, folders: Sequence[Path]) -> Path | None:
    """Find the file of a base model where it is on this machine, without network.

    `path` decides alone where it is set. Else `file` is looked for in the folders, then in what was fetched from `doi`
    before, then among the files that kraken ships.
    """
    if model.path:
        path = Path(model.path).expanduser()
        return next((place for place in (path, *(folder / path for folder in folders)) if place.is_file()), None)
    for folder in folders if model.file else ():
        if (folder / str(model.file)).is_file():
            return folder / str(model.file)
    if model.doi:
        return _stored(model.doi, model.file)
    return kraken_file(model.file) if model.file else None


def fetch(doi: str, file: str | None, *, timeout_s: float, put_in: Path | None = None) -> Path:
    """Fetch a model from its DOI, in a child process that is ended at the time limit.

    htrmopo waits for a silent server without end, and takes an error page or half a file for the model. So it downloads
    into a folder aside, and what arrived is checked before it goes to the store: against the sizes in the record (it
    gives no checksums) and as a model.

    Args:
        doi: the DOI of a Zenodo record, bare or as a link.
        file: the model's name in the record; None takes its only model file.
        timeout_s: how long it may take, seconds.
        put_in: the folder where a user can put the file instead, named in errors.

    Returns:
        The file in htrmopo's store.

    Raises:
        ModelError: no network, no such record, no such file in it, a cut download, the time limit.
    """
    stored = _stored(doi, file)
    if stored is not None:
        return stored
    store = _store(doi)
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        aside = beside(store)
        aside.mkdir()
    except OSError as error:
        raise _failure(doi, file, f"{store.parent} cannot be written: {error.strerror}", put_in) from None
    try:
        problem = _download(_bare(doi), aside, timeout_s)
        if problem:
            raise _failure(doi, file, problem, put_in)
        try:
            read_header(_pick(aside, file))
        except ModelError as error:
            raise _failure(doi, file, "; ".join(map(str, error.problems)) or error.headline, put_in) from None
        # htrmopo takes any folder for a complete one: a half-fetched one of its own is filled up, never trusted.
        store.mkdir(exist_ok=True)
        for arrived in aside.iterdir():
            os.replace(arrived, store / arrived.name)
        return _pick(store, file)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _download(doi: str, folder: Path, timeout_s: float) -> str | None:
    """Download a record's files in a child process; what went wrong, in words, or None."""
    command = python_module("htr_exp.kraken.model_store", doi, str(folder))
    environment = {**os.environ, "PYTHONUTF8": "1"}
    try:
        child = ask(command, timeout_s=timeout_s, environment=environment)
    except NoAnswer:  # a Python always starts
        return f"it took longer than model.fetch_timeout_s={timeout_s:g} seconds"
    if child.code == 0:
        problem: str | None = json.loads(child.output.splitlines()[-1])["problem"]
        return problem
    return f"htrmopo stopped with: {child.last_line}"


def _download_here(doi: str, folder: str) -> str | None:
    """Download a record's files in this process; what went wrong, in words, or None."""
    import requests
    from htrmopo import get_model
    from sickle.oaiexceptions import IdDoesNotExist

    expected = received = 0

    def count(size: int, step: int) -> None:
        nonlocal expected, received
        expected, received = size or expected, received + step

    try:
        get_model(doi, path=folder, callback=count)
    except requests.HTTPError as error:
        if error.response is not None and error.response.status_code in (404, 410):
            return "there is no such record"
        return f"the repository refuses: {error}"
    except IdDoesNotExist:
        return "there is no such record"
    except requests.exceptions.ChunkedEncodingError:
        return "the download was cut"
    except requests.ConnectionError as error:
        return f"the network cannot be reached from here: {error}"
    # A record may leave sizes out; htrmopo counts such a file as -1.
    if expected > 0 and received != expected:
        return f"the download has {received:,} bytes where the record says {expected:,}"
    return None


def _pick(folder: Path, file: str | None) -> Path:
    """The model file of a fetched record.

    Raises:
        ModelError: the record has not this file, no model, or several.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    if file:
        # htrmopo names files as they stand in links: a blank is %20.
        chosen = [name for name in names if file in (name, unquote(name))]
        problem = f"the record has no file {file}; it has: {', '.join(names) or 'none'}"
    else:
        by_suffix = ([name for name in names if name.lower().endswith(suffix)] for suffix in SUFFIXES)
        chosen = next((found for found in by_suffix if found), [])
        problem = f"the record has no model file; it has: {', '.join(names) or 'none'}"
        if len(chosen) > 1:
            raise ModelError(f"the record has several models: set model.file to one of {', '.join(chosen)}")
    if not chosen:
        raise ModelError(problem)
    return folder / chosen[0]


def _stored(doi: str, file: str | None) -> Path | None:
    """The file of a model fetched before; one that an interrupted `kraken get` left unreadable is none."""
    store = _store(doi)
    if not store.is_dir():
        return None
    try:
        return read_header(_pick(store, file)).file
    except ModelError:
        return None


def _store(doi: str) -> Path:
    """The folder where htrmopo keeps a record's files (htrmopo/repo.py, `get_model`)."""
    return Path(platformdirs.user_data_dir("htrmopo")) / str(uuid.uuid5(uuid.NAMESPACE_DNS, _bare(doi)))


def _bare(doi: str) -> str:
    return re.sub(r"^(https?://(dx\.)?doi\.org/|doi:)\s*", "", doi.strip(), flags=re.IGNORECASE)


def _missing(model: Model, folders: Sequence[Path]) -> Problem:
    """Where a base model was looked for, and what brings it here."""
    searched = ", ".join(map(str, folders)) or "no folder"
    ships_with_kraken = (
        ""
        if importlib.util.find_spec("kraken")
        else (
            f"; if it is one of kraken's own: kraken is not installed in {sys.prefix}, copy the file from where it is"
        )
    )
    if model.path:
        what = f"model.path={model.path}: no such file, neither as typed nor in {searched}{ships_with_kraken}"
        return Problem(what, "correct the name, or put the file there")
    if model.doi:
        file = model.file or "the model file"
        put_in = f"put it into {folders[0]}, or " if folders and model.file else ""
        return Problem(
            f"{file} is not in {searched}, nor among the models fetched before; nothing is downloaded here",
            f"`{own_command('train')}` downloads it, or download it yourself from https://doi.org/{_bare(model.doi)} and "
            f"{put_in}name it with model.path=FILE",
        )
    if model.file:
        what = f"model.file={model.file}: no such file in {searched}, nor in kraken{ships_with_kraken}"
        return Problem(what, "correct the name, or put the file there")
    return Problem("it has no path, no doi and no file", "set model.path to a .mlmodel or .safetensors file")


def _failure(doi: str, file: str | None, problem: str, put_in: Path | None) -> ModelError:
    what = file or "its model file"
    link = f"https://doi.org/{_bare(doi)}"
    by_hand = f"{what} can be downloaded from {link} by hand: "
    if put_in and file:
        by_hand += f"put it at {put_in / file}"
    elif put_in:
        by_hand += f"put it into {put_in} and set model.file to its name"
    else:
        by_hand += "give its place as model.path=FILE"
    return ModelError(f"{what} could not be fetched from {link}", [problem, by_hand])


if __name__ == "__main__":
    print(json.dumps({"problem": _download_here(sys.argv[1], sys.argv[2])}))
