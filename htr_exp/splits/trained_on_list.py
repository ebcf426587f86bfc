"""Lists of the pages that a foreign model was trained on: `model.trained_on=FILE`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from htr_exp.core.errors import DatasetError
from htr_exp.core.text import and_more, joined
from htr_exp.groundtruth.image_hash import looks
from htr_exp.splits.fingerprints import Fingerprint
from htr_exp.splits.tables import read_rows

_ROLES = {"validation": "validation", "val": "validation", "dev": "validation", "test": "test"}
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DIGEST_COLUMNS = ("xml_sha256", "image_sha256")
_NAME_COLUMNS = ("xml", "page", "image")

Named = TypeVar("Named", str, Fingerprint)
"""A page of a dataset by its name, or of a list."""


def read_trained_on(path: Path, key: str, cache: Path | None = None) -> tuple[Fingerprint, ...]:
    """The pages of a table (CSV or TSV) of what a model was trained on, those it was tested on left out.

    A column `xml`, `page` or `image` names the page, `xml_sha256` and `image_sha256` have the digests of its files; one of
    the five is needed. `side` says train, validation or test (else: train). An image that is where `image` says, from the
    folder of the table, is looked at.

    Args:
        path: the table.
        key: of the configuration that names it, for messages.
        cache: folder in which the looks of images are remembered; None remembers nothing.

    Raises:
        DatasetError: it cannot be read, has none of the columns, names no page, or holds what is no SHA-256.
    """
    named = f"{key}={path}"
    columns, rows = read_rows(path, named)
    if not set(columns) & {*_DIGEST_COLUMNS, *_NAME_COLUMNS}:
        wanted = joined((*_NAME_COLUMNS, *_DIGEST_COLUMNS), "or")
        raise DatasetError(f"{named}: it has no column {wanted}; its columns are {', '.join(columns) or 'none'}")
    problems: list[str] = []
    found: list[Fingerprint] = []
    images: dict[int, Path] = {}
    for number, values in rows:
        digests = {name: values[name].lower() for name in _DIGEST_COLUMNS if values.get(name)}
        names = tuple(values[name] for name in _NAME_COLUMNS if values.get(name))
        problems += [
            f"{path}:{number}: {name}={value}: it is no SHA-256 (64 hexadecimal digits)"
            for name, value in digests.items()
            if not _DIGEST.fullmatch(value)
        ]
        role = _ROLES.get(values.get("side", "").lower(), "train")
        if (digests or names) and role != "test":
            if values.get("image") and (image := path.parent / values["image"]).is_file():
                images[len(found)] = image
            name, source = names[0] if names else f"row {number}", f"{path.name}:{number}"
            xml, image_digest = digests.get("xml_sha256"), digests.get("image_sha256")
            found.append(
                Fingerprint(role, name, source, xml_digest=xml, image_digest=image_digest, listed=True, names=names)
            )
    if problems:
        more = list(filter(None, [and_more(len(problems) - 10)]))
        raise DatasetError(f"{named}: it cannot be used:", problems[:10] + more)
    if not found:
        raise DatasetError(f"{named}: it names no page that the model was trained on")
    known = looks(list(images.values()), cache).known if images else {}
    for place, image in images.items():
        found[place] = replace(found[place], look=known[image][0] if image in known else None)
    return tuple(found)


def same_names(listed: Sequence[Fingerprint], pages: Mapping[str, Sequence[str]]) -> list[tuple[str, Fingerprint]]:
    """The pages that are listed by the name of one of their files, without its folder and its last suffix.

    Where several pages, or several rows, have such a name, the folder above it must be the same, too.

    Args:
        listed: the pages of lists.
        pages: page -> names of its files.
    """
    of_list = _by_stem([(one, one.names) for one in listed])
    of_pages = _by_stem(list(pages.items()))
    return [
        (page, one)
        for stem, there in of_pages.items()
        for page, folders in there.items()
        for one, others in of_list.get(stem, {}).items()
        if (len(there) == 1 and len(of_list[stem]) == 1) or folders & others
    ]


def _by_stem(of: Sequence[tuple[Named, Sequence[str]]]) -> dict[str, dict[Named, set[str]]]:
    """Stem -> what has a file of such a name, and the folders in which."""
    found: dict[str, dict[Named, set[str]]] = {}
    for one, names in of:
        for name in names:
            parts = Path(name.replace("\\", "/")).parts
            if parts:
                folders = found.setdefault(Path(parts[-1]).stem.casefold(), {}).setdefault(one, set())
                folders.update(folder.casefold() for folder in parts[-2:-1])
    return found
