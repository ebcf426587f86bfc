"""Makes images of the pages of a PDF."""

from __future__ import annotations

from pathlib import Path

from htr_exp.core.errors import DatasetError
from htr_exp.core.files import beside, make_folder

DOTS_PER_INCH = 300
"""Of the images; a PDF counts in points of 1/72 inch."""

MOST_PIXELS = 120_000_000
"""Of an image; a larger page is drawn with fewer dots."""


def images_of(pdf: Path, folder: Path) -> list[Path]:
    """The images of the pages, drawn into a folder as `NAME-0001.png`; one that is there already is not drawn again.

    Args:
        pdf: the file.
        folder: is made if there is a page.

    Raises:
        DatasetError: it cannot be read, or needs a password.
        OSError: an image cannot be written.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(pdf)
    except pypdfium2.PdfiumError as error:
        what = (
            "it needs a password: save it without one"
            if "password" in str(error).lower()
            else f"it is no PDF that can be read ({error})"
        )
        raise DatasetError(what) from None
    with document:
        return [_drawn(document[number], folder / f"{pdf.stem}-{number + 1:04}.png") for number in range(len(document))]


def _drawn(page: object, image: Path) -> Path:
    if not image.exists():
        width, height = page.get_size()  # type: ignore[attr-defined]
        scale = min(DOTS_PER_INCH / 72, (MOST_PIXELS / (width * height)) ** 0.5)
        make_folder(image.parent, below=image.parent.parent)
        aside = beside(image)
        page.render(scale=scale).to_pil().save(aside, "PNG")  # type: ignore[attr-defined]
        aside.replace(image)
    return image
