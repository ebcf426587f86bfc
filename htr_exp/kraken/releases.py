"""Which releases of kraken there are for us, and which models each can load."""

from __future__ import annotations

import re
from typing import Literal

from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.core.text import joined
from htr_exp.kraken.model_file import ModelHeader

Release = Literal["4.3", "7.1"]

SUPPORTED: dict[Release, re.Pattern[str]] = {"4.3": re.compile(r"4\.3\.13$"), "7.1": re.compile(r"7\.1\.\d+$")}
SPOKEN: dict[Release, str] = {"4.3": "4.3.13", "7.1": "7.1.x"}


def release(version: str) -> Release:
    """The release whose words a version of kraken takes.

    Raises:
        RuntimeUnavailableError: it is not supported.
    """
    for name, pattern in SUPPORTED.items():
        if pattern.match(version):
            return name
    raise RuntimeUnavailableError(
        f"kraken {version} is not supported: supported are {joined(list(SPOKEN.values()))}"
        + ("; its options and its files lie between theirs" if version.startswith(("4.", "5.", "6.", "7.")) else "")
    )


def index_of(version: str) -> int:
    """The place of a version's release in a pair (4.3.13, 7.1).

    Raises:
        RuntimeUnavailableError: it is not supported.
    """
    return 0 if release(version) == "4.3" else 1


def unloadable(header: ModelHeader, version: str) -> str | None:
    """Why a version of kraken cannot load a model, with what to do; None if it can."""
    needed = str(header.metadata.get("_kraken_min_version") or "")
    if _numbers(needed) > _numbers(version):
        return f"it needs kraken {needed} or newer, and kraken {version} is to load it; choose another runtime or model"
    if release(version) != "4.3":
        return None
    if header.format == "safetensors":
        return (
            f"kraken {version} loads no safetensors: make an .mlmodel of it with kraken 7.1, "
            "`ketos convert -o NEW.mlmodel --weights-format coreml FILE`, or choose a runtime with kraken 7.1"
        )
    if not header.network.startswith("["):
        return f"its network ({header.network}) is unknown to kraken {version}; choose a runtime with kraken 7.1"
    return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
