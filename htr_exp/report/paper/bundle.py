"""The paper bundle: a folder with one HTML page, tables, figures, methods, checklist, commands and references, to the same bytes each time."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_exp import __version__
from htr_exp.core.errors import ConfigError, HtrExpError
from htr_exp.core.files import read_json, sha256_bytes, sha256_file, write_atomically, write_json
from htr_exp.core.html_page import rendered
from htr_exp.core.problem import Problem
from htr_exp.core.secrets import hidden
from htr_exp.core.text import first_of, printable
from htr_exp.report.paper import checklist, figures, references
from htr_exp.report.paper.evidence import Evidence
from htr_exp.report.paper.methods import methods
from htr_exp.report.paper.table import as_csv, by_page, condition_tables, paper_table

MANIFEST = "bundle.json"
"""The file by which a bundle is known, with the digest of each of the others."""

TEMPLATE = Path(__file__).with_name("paper.html")


def texts_of(found: Evidence) -> dict[str, str]:
    """File name -> the file, of all but the pictures, the page that shows them and the manifest; quick to make."""
    table = paper_table(found)
    texts = {
        "table.tex": table.latex(),
        "table.csv": table.csv(),
        "table.md": table.markdown(),
        "methods.md": methods(found),
        "checklist.md": checklist.markdown(checklist.checklist(found)),
        "experiment.sh": _commands(found),
        "references.bib": references.bibtex(found),
    }
    conditions = condition_tables(found)
    for number, one in enumerate(conditions, 1):
        name = "conditions" if len(conditions) == 1 else f"conditions_{number}"
        texts |= {f"{name}.tex": one.latex(), f"{name}.csv": one.csv(), f"{name}.md": one.markdown()}
    if pages := by_page(found.runs[0]):
        texts["cer_by_page.csv"] = as_csv(pages)
    return texts


def files_of(found: Evidence) -> dict[str, bytes]:
    """File name -> the file, of all but the manifest; nothing is written."""
    texts = texts_of(found)
    pictures = figures.paper_figures(found)
    shown = [
        (name, figures.alternative(name, found.runs), f"data:image/png;base64,{base64.b64encode(data).decode()}")
        for file, data in pictures.items()
        for name, _, kind in [file.rpartition(".")]
        if kind == "png"
    ]
    values: dict[str, Any] = {
        "title": printable(found.title),
        "tables": [*condition_tables(found), paper_table(found)],
        "figures": shown,
        "methods": texts["methods.md"],
        "checklist": checklist.checklist(found),
        "commands": texts["experiment.sh"],
        "references": texts["references.bib"],
    }
    texts["index.html"] = rendered(TEMPLATE, values, filters={})
    return {name: text.encode() for name, text in texts.items()} | pictures


def _commands(found: Evidence) -> str:
    """The commands that made the runs, each once; what a run without scores needed is among them only if others share it."""
    typed = dict.fromkeys(hidden(shlex.join(map(str, one.facts.get("command") or ()))) for one in found.runs)
    runs = " ".join(shlex.quote(one.row["run"]) for one in found.runs)
    lines = [
        "#!/bin/sh",
        "# The commands that made these runs, and this folder.",
        *typed,
        f"htr-exp report {runs} --out FOLDER",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Written:
    """A bundle that was written.

    Attributes:
        folder: where.
        files: their names.
        changed: those that were not there, or were others.
    """

    folder: Path
    files: tuple[str, ...]
    changed: tuple[str, ...]


def write_bundle(found: Evidence, folder: Path) -> Written:
    """Write the bundle, into a new folder or over an earlier bundle that nobody has changed.

    Raises:
        ConfigError: the folder holds something else, or a file of the bundle was changed.
        HtrExpError: it cannot be written.
    """
    earlier = _earlier(folder)
    files = files_of(found)
    record = {
        "made_by": f"htr_exp {__version__}",
        "runs": [
            {"run": one.row["run"], "key": one.facts["run"]["key"], "test_digest": one.row["test_digest"]}
            for one in found.runs
        ],
        "files": {name: sha256_bytes(data) for name, data in sorted(files.items())},
    }
    changed = [name for name, data in files.items() if earlier.get(name) != sha256_bytes(data)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in changed:
            write_atomically(folder / name, files[name])
        for name in earlier.keys() - files.keys():
            (folder / name).unlink(missing_ok=True)
        write_json(folder / MANIFEST, record)
    except OSError as error:
        raise HtrExpError(f"{folder} cannot be written: {error.strerror or error}") from None
    return Written(folder, tuple(sorted([*files, MANIFEST])), tuple(sorted(changed)))


def _earlier(folder: Path) -> dict[str, str]:
    """File -> digest, of the bundle that is there; nothing where the folder is new or empty.

    Raises:
        ConfigError: it is no bundle, or one that somebody has changed.
    """
    another = "choose another folder: --out FOLDER"
    if not folder.exists():
        return {}
    if not folder.is_dir():
        raise ConfigError("the report cannot be written:", [Problem(f"--out {folder}: it is a file", another)])
    there = sorted(path.name for path in folder.iterdir())
    if not there:
        return {}
    try:
        files = dict(read_json(folder / MANIFEST)["files"])
    except (OSError, ValueError, TypeError, KeyError):
        what = f"--out {folder}: the folder has files that are no report: {first_of(there, 3)}"
        raise ConfigError("the report cannot be written:", [Problem(what, another)]) from None
    own = {
        name: digest for name, digest in files.items() if (folder / name).parent == folder and (folder / name).is_file()
    }
    if changed := [name for name, digest in own.items() if sha256_file(folder / name) != digest]:
        what = f"--out {folder}: changed since they were written: {first_of(sorted(changed), 3)}"
        raise ConfigError("the report cannot be written:", [Problem(what, f"keep your changes: {another}")])
    return own
