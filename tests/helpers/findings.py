"""What the doctor finds, and what it is shown: programs, a Slurm, an image."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

from fakes.fake_slurm_site import Site
from helpers.apptainer_image import CODE, HERE, sif
from helpers.folders import SLURM_DATA, TESTS
from htr_exp.cli.doctor import kraken
from htr_exp.cli.doctor.finding import Finding
from htr_exp.config.compose import compose_experiment
from htr_exp.config.schema import Experiment

MODULES = TESTS / "fakes" / "module_init.sh"


def named(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Findings by name. Every one is a sentence, and everything that is broken has a remedy."""
    found = list(findings)
    for one in found:
        assert one.state in ("ok", "note", "warning", "error")
        assert one.found
        assert one.found == one.found.strip()
        assert one.remedy or one.state in ("ok", "note"), one
    return {one.name: one for one in found}


@functools.cache
def composed(*words: str) -> Experiment:
    return compose_experiment(words).experiment


def program(folder: Path, name: str, script: str) -> Path:
    """Write a program that is a shell script."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder / name


def of_kraken(*words: str, asked: bool = True) -> dict[str, Finding]:
    experiment = composed(*words)
    return named(kraken.findings(experiment, Path(experiment.site.images).absolute(), asked=asked, words=words))


def put_image(path: Path, architecture: str = HERE, *, whole: bool = True) -> Path:
    """Write an image, or most of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sif(CODE[architecture])[: None if whole else -1000])
    return path


NODES = "cpu1|public|idle\n" + "".join(f"gpu{n}|{p}|idle\n" for n in (1, 2, 3) for p in ("publicgpu", "grantgpu"))


def configured(slurm_site: Site, **changes: str) -> None:
    text = (SLURM_DATA / "scontrol_config.txt").read_text() + (SLURM_DATA / "scontrol_partitions.txt").read_text()
    for name, value in changes.items():
        text, count = re.subn(rf"(?m)(^{name}\s*= ).*$", rf"\g<1>{value}", text)
        assert count, name
    slurm_site.says("scontrol", text)
