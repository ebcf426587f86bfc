"""What is right for each made-up export: found by looking at what its maker draws, not at what the program says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from helpers.exports import abbyy, larex, ocrd, transkribus
from helpers.exports.sheets import sheet

QUIET = ("line_without_type", "region_without_type")
"""Codes that every export has, or none, and that are not about its layout."""


@dataclass(frozen=True)
class Answer:
    """What a dataset holds.

    Attributes:
        make: writes it below a folder, and returns what is given as the dataset.
        pages: that can be used.
        texts: of the lines that can be used, by page.
        read: pages and lines in its files, used or not.
        errors, dropped, warnings: how many problems of each code it has.
        said: words of messages.
    """

    make: Callable[[Path], Path]
    pages: int
    texts: list[str]
    read: tuple[int, int]
    errors: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether a training would start."""
        return not self.errors


def _texts(*numbers: int) -> list[str]:
    return [row.text for number in numbers for row in sheet(number)]


def _guesses(number: int) -> list[str]:
    return [larex.guess(row) for row in sheet(number)]


def _with(texts: list[str], *ends: str) -> list[str]:
    """Texts, the first of them with hyphens."""
    return [text + end for text, end in zip(texts, ends, strict=False)] + texts[len(ends) :]


ANSWERS = {
    answer.make.__name__: answer
    for answer in (
        Answer(  # the files of regions have no line: there is nothing to choose
            ocrd.ground_truth_bag,
            3,
            [*_texts(1, 2), *_texts(3)[:2], *_texts(3)[3:]],
            (6, 12),
            dropped={"page_without_text": 3, "line_without_baseline": 1, "not_ground_truth": 1},
            warnings={"image_elsewhere": 3},
            said=("it has no lines; data/OCR-D-GT-SEG-LINE/OCR-D-GT-SEG-LINE_0001.xml describes its image",),
        ),
        Answer(  # 4 pictures of pages in black and white, 16 of lines: nobody is to transcribe them
            ocrd.workspace_after_ocr,
            3,
            _texts(11, 12, 13),
            (4, 16),
            dropped={"line_without_text": 4, "page_without_text": 1, "not_ground_truth": 1},
            warnings={"image_elsewhere": 4, "image_derived": 1},
            said=("20 images that a page names as made of its own",),
        ),
        Answer(
            ocrd.listed_by_mets,
            3,
            _texts(21, 23, 24),
            (3, 12),
            dropped={"page_not_there": 1},
            warnings={"image_elsewhere": 3, "text_from_words": 3, "kraken_reads_otherwise": 3},
            said=("lists it, and it is not there",),
        ),
        Answer(
            larex.ocr4all_project,
            3,
            [*_texts(31), *_texts(32)[:2], *_guesses(32)[2:], *_guesses(33)],
            (3, 12),
            warnings={
                "image_elsewhere": 3,
                "image_derived": 1,
                "text_of_several": 2,
                "text_not_first": 2,
                "text_index_mixed": 1,
                "kraken_reads_otherwise": 2,
            },
            said=("9 images that", "6 lines of 2 pages have no transcription (TextEquiv) of index 0"),
        ),
        Answer(
            larex.processing_alone,
            0,
            [],
            (3, 12),
            errors={"image_missing": 3},
            warnings={"text_of_several": 2, "text_not_first": 2, "kraken_reads_otherwise": 2},
            said=("Chronicon_1493/input/0001.png is outside the dataset", "Chronicon_1493 as the dataset"),
        ),
        Answer(
            larex.flat_export,
            3,
            [*_texts(41)[2:], *_texts(42)[1:3], _guesses(42)[3], *_texts(43)[1:]],
            (3, 12),
            dropped={"line_without_baseline": 4},
            warnings={
                "image_name_case": 3,
                "text_of_several": 3,
                "text_not_first": 3,
                "text_index_mixed": 1,
                "kraken_reads_otherwise": 3,
                "file_name_unusual": 1,
            },
            said=("1 line of 1 page has no transcription",),
        ),
        Answer(
            abbyy.newspaper,
            0,
            [],
            (2, 8),
            errors={"unit_not_pixel": 2},
            dropped={"not_ground_truth": 1},
            said=("tenths of a millimetre", "its 4 lines cannot be used"),
        ),
        Answer(
            abbyy.boxes_in_pixels,
            0,
            [],
            (2, 8),
            errors={"no_pages": 1},
            dropped={"line_without_baseline": 8, "page_without_text": 2},
            warnings={"line_without_id": 2},
            said=("it has no baseline that can be read; it has no polygon",),
        ),
        Answer(  # the picture of the fourth is not to be transcribed: its file is to be exported again
            abbyy.corrected_pages,
            3,
            [*_with(_texts(71), "-", "-"), *_with(_texts(72), "\u00ac", "\u2e17", "-"), *_texts(73)],
            (4, 16),
            errors={"unit_not_pixel": 1},
            warnings={"text_with_hyphen": 2, "kraken_reads_otherwise": 3},
        ),
        Answer(  # the ALTO has no polygons: there is nothing to choose
            transkribus.page_and_alto,
            3,
            [*_texts(81), *_texts(82)[:2], *_texts(83)],
            (8, 26),
            dropped={"page_without_text": 5, "line_without_polygon": 10, "line_without_text": 6, "not_ground_truth": 2},
            warnings={"image_elsewhere": 4},
            said=("page/0001_p001.xml describes its image",),
        ),
        Answer(  # the pages of the second document have the names of the first's, and images of their own
            transkribus.collection,
            3,
            _texts(101, 102, 111),
            (4, 12),
            dropped={"page_without_text": 1, "not_ground_truth": 4},
            warnings={
                "image_elsewhere": 2,
                "image_other_ending": 2,
                "kraken_reads_otherwise": 1,
                "file_name_unusual": 1,
            },
        ),
        Answer(
            transkribus.pages_without_pictures,
            0,
            [],
            (2, 8),
            errors={"image_missing": 2},
            dropped={"not_ground_truth": 1},
        ),
    )
}
"""By the name of the maker."""
