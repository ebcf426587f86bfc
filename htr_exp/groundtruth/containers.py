"""What a dataset is given as: a folder, a zip, a METS file or a IIIF manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from htr_exp.core.errors import DatasetError
from htr_exp.groundtruth.archives import is_zip, unpacked
from htr_exp.groundtruth.page_lists import listed


@dataclass(frozen=True)
class Opened:
    """The folders of a dataset.

    Attributes:
        folders: in the order in which they were given.
        only: of a folder whose METS file or manifest was given, the names of the files that this lists.
    """

    folders: tuple[Path, ...] = ()
    only: dict[Path, frozenset[str]] = field(default_factory=dict)


def opened(paths: Sequence[Path], cache: Path) -> Opened:
    """Find the folder of each path of a dataset, unpacking what is packed.

    Args:
        paths: folders, zips, METS files or IIIF manifests. One that does not exist is taken for a folder.
        cache: folder in which zips are unpacked, each under its digest.

    Raises:
        DatasetError: with every file that is none of these, or cannot be used.
    """
    folders: list[Path] = []
    only: dict[Path, frozenset[str]] = {}
    problems = []
    for path in paths:
        try:
            if not path.is_file():
                folders.append(path)
            elif is_zip(path):
                folders.append(unpacked(path, cache / "datasets"))
            else:
                only[path.parent] = only.get(path.parent, frozenset()) | listed(path)
                folders.append(path.parent)
        except DatasetError as error:
            problems.append(f"{path}: {error.headline}")
        except OSError as error:
            problems.append(f"{path}: {error.strerror or error}")
    if problems:
        raise DatasetError("the dataset cannot be opened:", problems)
    return Opened(tuple(dict.fromkeys(folders)), only)
