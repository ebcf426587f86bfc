"""Which page a line pair is on, as `dataset.page_of_line` says: by names, by folders, or by a column of a table of lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from htr_exp.config.schema import Dataset
from htr_exp.core.errors import ConfigError, DatasetError
from htr_exp.core.problem import Problem
from htr_exp.groundtruth.line_pairs import LinePair
from htr_exp.groundtruth.model import LineImage
from htr_exp.groundtruth.page_of_line import FOLDER, NAME
from htr_exp.groundtruth.pair_pages import PagesOf, by_folder, by_name
from htr_exp.splits.tables import Metadata, Names, read_metadata, read_rows


class PageOfLines(Protocol):
    """A page that may be of line pairs."""

    @property
    def name(self) -> str: ...
    @property
    def line_images(self) -> Sequence[LineImage]: ...


def pages_of(dataset: Dataset) -> PagesOf:
    """What tells the page of a line in a dataset.

    Raises:
        ConfigError: a column is asked for, and there is no table.
    """
    by = dataset.page_of_line
    if by == NAME:
        return by_name
    if by == FOLDER:
        return by_folder
    if dataset.metadata is None:
        raise ConfigError(
            "the line pairs cannot be read:",
            [
                Problem(
                    f"dataset.page_of_line={by}: it is neither {NAME} nor {FOLDER}, and there is no table with such a column",
                    f"add dataset.metadata=FILE, a table with columns {dataset.page_column} (of line images) and {by}",
                    "dataset.page_of_line",
                )
            ],
        )
    table = Path(dataset.metadata).expanduser().absolute()

    def by_column(pairs: Sequence[LinePair]) -> list[str | None]:
        read = read_metadata(table, page_column=dataset.page_column, pages=pairs)
        if by not in read.columns:
            raise DatasetError(
                f"dataset.page_of_line={by}: it is neither {NAME} nor {FOLDER} and no column of {read.file}; "
                f"its columns are {', '.join(read.columns)}"
            )
        return [read.rows.get(pair.name, {}).get(by) or None for pair in pairs]

    return by_column


def describes_lines(dataset: Dataset, pages: Sequence[PageOfLines]) -> bool:
    """Tell whether the table of a dataset has a row for each line, and not for each page."""
    return dataset.page_of_line not in (NAME, FOLDER) and any(page.line_images for page in pages)


def metadata_of_lines(path: Path, *, page_column: str, pages: Iterable[PageOfLines]) -> Metadata:
    """What a table of lines says of their pages: what it says alike of all lines of a page.

    Args:
        path: the table, which was read before, when the pages were made.
        page_column: its column with the names of line images.
        pages: all pages.
    """
    columns, table = read_rows(path, str(path), needed=(page_column,))
    page_of = {image.name: page.name for page in pages for image in page.line_images}
    names = Names([_Line(image.name, image.path) for page in pages for image in page.line_images])
    values: dict[str, dict[str, set[str]]] = {}
    for _, row in table:
        try:
            line = names.meant(row[page_column])
        except DatasetError:  # a line that is left out
            continue
        of_page = values.setdefault(page_of[line], {})
        for column in columns:
            of_page.setdefault(column, set()).add(row[column])
    rows = {
        page: {
            name: next(iter(found)) if len(found) == 1 else "" for name, found in of_page.items() if name != page_column
        }
        for page, of_page in values.items()
    }
    return Metadata(path.name, tuple(name for name in columns if name != page_column), rows)


@dataclass(frozen=True)
class _Line:
    """A line image, as tables name pages."""

    name: str
    image: Path

    @property
    def xml(self) -> Path:
        return self.image
