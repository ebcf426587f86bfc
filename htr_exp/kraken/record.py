"""The record of the kraken that a start of a run found."""

from __future__ import annotations

from typing import TypedDict


class KrakenSoftware(TypedDict):
    """What a kraken computes with."""

    python: str | None
    packages: dict[str, str]  # name -> version, all that its Python sees
    cuda: str | None  # that its PyTorch was built for; None: for the CPU alone
    unknown: str | None  # why nothing is known


class KrakenRecord(TypedDict):
    """A line of krakens.jsonl, and `kraken` in results.json."""

    version: str
    kind: str  # host, module or apptainer
    module: str | None  # its name
    modules: list[str]  # all that were loaded
    image: str | None  # its file name
    image_sha256: str | None
    fallback: str | None  # why it is not the module that was wanted
