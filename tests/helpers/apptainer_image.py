"""The head of an image of Apptainer, and what a command line runs in one."""

from __future__ import annotations

import platform

from htr_exp.kraken import apptainer

HERE = apptainer.MACHINES.get(platform.machine(), platform.machine())
CODE = {name: code for code, name in apptainer.PROCESSORS.items()}


def sif(architecture: bytes = CODE[HERE], *, data: int = 5000, magic: bytes = b"SIF_MAGIC\0") -> bytes:
    """A SIF file made by hand, laid out as Apptainer 1.4 writes them: header, room for 48 descriptors, two objects."""
    first, each, room = 4096, 585, 48
    begin = first + room * each
    descriptors = [(0x4001, True, 1, 0xF0000001, 0, begin, 35), (0x4004, True, 3, 0xF0000001, 0, begin + 35, data)]
    header = apptainer.HEADER.pack(
        b"#!/usr/bin/env run-singularity\n", magic, b"01\0", architecture + b"\0", bytes(16),
        1795478363, 1795478363, room - len(descriptors), room, first, room * each, begin, 35 + data,
    )  # fmt: skip
    rows = b"".join(apptainer.DESCRIPTOR.pack(*row).ljust(each, b"\0") for row in descriptors)
    return header.ljust(first, b"\0") + rows.ljust(room * each, b"\0") + bytes(35 + data)


def in_image(line: list[str]) -> list[str]:
    """What a command line of `exec_command` runs in the image."""
    return line[next(number for number, word in enumerate(line) if word.endswith(".sif")) + 1 :]
