"""A real Apptainer and a kraken image, as tests see them; `make test-apptainer` provides both."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from htr_exp.kraken import apptainer

HERE = Path(__file__).parent
VARIABLES = dict(os.environ)  # the fixture `workspace` takes ours away from the tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that stands in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("apptainer")


@pytest.fixture(scope="session")
def kraken_image() -> Path:
    """The image that HTR_EXP_IMAGE names."""
    if apptainer.program() is None:
        pytest.skip("there is no apptainer here: run `make test-apptainer`")
    if "HTR_EXP_IMAGE" not in VARIABLES:
        pytest.skip("HTR_EXP_IMAGE is not set: run `make test-apptainer`")
    return Path(VARIABLES["HTR_EXP_IMAGE"])


@pytest.fixture(scope="session")
def image_bind() -> list[str]:
    """What that image needs to see for its kraken, as runtime.bind takes it; HTR_EXP_IMAGE_BIND names it."""
    return [VARIABLES["HTR_EXP_IMAGE_BIND"]] if "HTR_EXP_IMAGE_BIND" in VARIABLES else []


@pytest.fixture(scope="session")
def public_folder() -> Iterator[Path]:
    """A folder that any user of this machine may look into."""
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="htr_exp-")))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def public_image(kraken_image: Path, public_folder: Path) -> Path:
    """The image where any user may read it."""
    copy = public_folder / "kraken image.sif"
    try:
        copy.hardlink_to(kraken_image.resolve())
    except OSError:
        shutil.copyfile(kraken_image, copy)
    return copy
