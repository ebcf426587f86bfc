"""Where the real ground truth and the real models are; tests ask for the fixture `real_data`."""

from __future__ import annotations

import os
from pathlib import Path

# Made absolute, since tests stand in folders of their own; read here, since the fixture `workspace` hides our variables.
REAL_DATA = Path(value).resolve() if (value := os.environ.get("HTR_EXP_REAL_DATA")) else None


def files_to_read(real_data: Path) -> list[Path]:
    """Every XML file of the clean and the dirty sets."""
    return [path for part in ("demo", "dev", "dirty") for path in sorted((real_data / part).rglob("*.xml"))]


def only(real_data: Path, pattern: str) -> Path:
    """The one folder of a pattern."""
    (found,) = real_data.glob(pattern)
    return found
