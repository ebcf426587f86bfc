"""A dataset of the user's own: its file in conf/dataset of the current directory, by which `dataset=NAME` means it."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

from htr_exp.config.choices import conf_dir
from htr_exp.core.files import write_atomically
from htr_exp.core.problem import Problem
from htr_exp.core.text import printable

_EXPORT = re.compile(r"export_(?:doc|job)_?\d+_(?P<name>.+?)(?:_(?:pagexml|page|alto))?(?:_\d{6,})?", re.IGNORECASE)
"""Names of exports: eScriptorium calls one export_doc12_gratian_pagexml_202611251230.zip."""


def name_for(export: Path) -> str:
    """What a dataset is called after a folder or zip: letters without accents, digits, `_` and `-`, which every shell and Hydra take."""
    stem = export.stem if export.suffix.lower() == ".zip" else export.name
    found = _EXPORT.fullmatch(stem)
    plain = unicodedata.normalize("NFKD", found["name"] if found else stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_-") or "dataset"


def file_of(name: str) -> Path:
    """The file of a dataset of the current directory."""
    return Path("conf") / "dataset" / f"{name}.yaml"


def problem(name: str, path: str) -> Problem | None:
    """Why the file of a dataset cannot be written; None where it can, or is there already."""
    conf = Path("conf")
    if (conf / "config.yaml").exists() and conf.resolve() != conf_dir().resolve():
        return Problem(
            "conf/ of the current directory belongs to another program (it has a config.yaml)",
            "go into a folder of your own",
        )
    file = file_of(name)
    if (conf_dir() / "dataset" / file.name).exists() and not file.exists():
        return Problem(
            f"{name}: a dataset that comes with htr_exp is called so", "choose another name: name=NAME", name
        )
    if file.exists() and f"path: {json.dumps(path, ensure_ascii=False)}\n" not in file.read_text("utf-8", "replace"):
        return Problem(f"{file}: there is another dataset of this name", "choose another name: name=NAME", name)
    return None


def write(name: str, path: str, sentence: str) -> Path:
    """Write the file of a dataset, unless it is there: people add to it.

    Args:
        name: of the dataset.
        path: of its folder; `${site.ground_truth}/...` moves with the site.
        sentence: what `options dataset` shows.

    Raises:
        OSError: it cannot be written.
    """
    file = file_of(name)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        content = (
            f"# {printable(sentence)}\ndefaults: [folder]\nname: {name}\npath: {json.dumps(path, ensure_ascii=False)}\n"
        )
        write_atomically(file, content)
    return file
