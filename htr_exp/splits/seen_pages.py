"""What a base model was trained on, where that is known: by itself, by our own runs, or by a list."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from htr_exp.config.places import absolute
from htr_exp.core.files import read_json
from htr_exp.core.text import joined
from htr_exp.kraken.model_file import ModelHeader
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in
from htr_exp.splits.fingerprints import DIGITS, MODEL_KEY, Fingerprint, Known, Lineage, of_model, read
from htr_exp.splits.trained_on_list import read_trained_on


def lineage(
    header: ModelHeader,
    weights: str,
    runs: Path,
    trained_on: Path | None = None,
    *,
    key: str = "model",
    cache: Path | None = None,
) -> Lineage:
    """What is known of the training data of a model.

    Neither its place nor its name counts: what is written into it is kept by copies and conversions, and a run is its own
    if the run's best model has its weights.

    Args:
        header: of the model.
        weights: digest of its weights.
        runs: the folder of our own runs.
        trained_on: a table of the pages it was trained on, given by the user.
        key: of the configuration that names the model.
        cache: folder in which the looks of images are remembered.

    Raises:
        DatasetError: the table cannot be used.
    """
    made_by = [_of_run(run) for run in _runs_of(weights, runs)]
    accounts = made_by
    if MODEL_KEY in header.metadata:
        accounts = [*made_by, of_model(header.metadata[MODEL_KEY], weights)]
    notes = [f"{key}: {note}" for account in accounts for note in account.notes]
    if len(made_by) > 1:
        names = joined([account.sources[0] for account in made_by])
        notes.append(
            f"{key}: the best models of {names} have the same weights: it is taken to have seen the pages of all"
        )
    listed: tuple[Fingerprint, ...] = ()
    if trained_on is not None:
        listed = read_trained_on(trained_on, f"{key}.trained_on", cache)
    return Lineage(
        "known" if trained_on is not None else _known(accounts),
        tuple(dict.fromkeys([source for account in accounts for source in account.sources] + ([trained_on.name] if trained_on else []))),
        (*_once(page for account in accounts for page in account.pages), *listed),
        tuple(notes),
        f"{key}.trained_on={trained_on}" if trained_on is not None else None,
    )  # fmt: skip


def of_system(trained_on: str | None, cache: Path | None = None) -> Lineage:
    """What is known of the training data of another system: what its user says.

    Args:
        trained_on: a table as of `lineage`; None: nothing is said.
        cache: folder in which the looks of images are remembered.

    Raises:
        DatasetError: the table cannot be used.
    """
    if trained_on is None:
        return Lineage("unknown")
    key, table = "system_trained_on", absolute(trained_on)
    pages = read_trained_on(table, key, cache)
    return Lineage("known", (table.name,), pages, listed=f"{key}={trained_on}")


def _known(accounts: Iterable[Lineage]) -> Known:
    """How far accounts of one model's training pages go together: as far as the one that knows most."""
    found = {account.known for account in accounts}
    return "known" if "known" in found else "in part" if "in part" in found else "unknown"


def _once(pages: Iterable[Fingerprint]) -> Iterator[Fingerprint]:
    """Yield each page once: of a run and of its model the run's, which is met first and says more."""
    met: set[tuple[str, str, frozenset[str]]] = set()
    for page in pages:
        files = frozenset(digest[:DIGITS] for digest in (page.xml_digest, page.image_digest) if digest)
        if not files or (one := (page.role, page.source, files)) not in met:
            yield page
        if files:
            met.add(one)


def _runs_of(weights: str, runs: Path) -> Iterator[RunDir]:
    """Yield the runs whose best model has such weights."""
    code = weights.encode()
    for run in runs_in(runs):
        try:
            if code in run.results.read_bytes() and ((run.result() or {}).get("weights") or {}).get("best") == weights:
                yield run
        except OSError:
            continue


def _of_run(run: RunDir) -> Lineage:
    try:
        said = read(read_json(run.fingerprints), run.name)
    except (OSError, KeyError, TypeError, ValueError, zlib.error):
        return Lineage("in part", (run.name,), notes=(f"the fingerprints.json of {run.name} cannot be read",))
    if not run.was_changed(run.fingerprints):
        return said
    note = f"the fingerprints.json of {run.name} was changed since it was written: it may name too few pages"
    return replace(said, known="in part", notes=(*said.notes, note))
