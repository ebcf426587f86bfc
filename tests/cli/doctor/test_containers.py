"""kraken in an image."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.findings import of_kraken, put_image
from helpers.given_up import let_go
from htr_exp.cli.doctor import (
    containers,
)


def test_an_image_is_run_for_real(workspace: Path, fake_apptainer: Callable[..., None]) -> None:
    image = put_image(workspace / "images" / "kraken-7.1.1.sif")
    put_image(workspace / "images" / "cut.sif", whole=False)
    put_image(workspace / "images" / "mac.sif", "arm64" if platform.machine() != "aarch64" else "amd64")
    (workspace / "images" / "text.sif").write_text("no image")
    found = of_kraken("runtime=apptainer")
    assert found["Apptainer"].found.startswith("apptainer version 1.4.5")
    assert found["container"].found == "starts here in kraken-7.1.1.sif"
    used = found["image kraken-7.1.1.sif"]
    assert used.state == "ok"
    assert re.fullmatch(rf"kraken 7\.1\.1 \(sha256 [0-9a-f]{{12}}\); 37 kB, for \w+ \({image.parent}\)", used.found)
    for name, told in (("cut", "is cut short: it has 36211 of 37211 bytes"), ("mac", "is for another processor"), ("text", "is not a SIF image")):  # fmt: skip
        assert found[f"image {name}.sif"].state == "warning"
        assert told in found[f"image {name}.sif"].found


def test_an_image_that_hangs_is_given_up(
    workspace: Path, fake_apptainer: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "TIMEOUT_S", 0.5)
    (workspace / "images").mkdir()
    image = workspace / "images" / "kraken-7.1.1.sif"
    os.mkfifo(image)  # what reads it waits for ever
    found = of_kraken("runtime=apptainer")[f"image {image.name}"]
    let_go(image)
    assert (found.state, "does not answer within 0.5 s" in found.found) == ("error", True)


@pytest.mark.parametrize(("there", "told"), [(True, "is cut short"), (False, "does not exist")])
def test_an_image_that_is_needed_and_broken_is_an_error(
    there: bool, told: str, workspace: Path, fake_apptainer: Callable[..., None]
) -> None:
    if there:
        put_image(workspace / "images" / "kraken-7.1.1.sif", whole=False)
    found = of_kraken("runtime=apptainer")["image kraken-7.1.1.sif"]
    assert found.state == "error"
    assert told in found.found


FAILURES = [
    (r"\033[91mERROR  : Failed to create user namespace: maximum number of user namespaces exceeded, check /proc/sys/user/max_user_namespaces\n"
     r"\033[0mINFO   : A system administrator may need to enable user namespaces, install\nINFO   :   apptainer-suid, or compile with ./mconfig --with-suid",
     "Failed to create user namespace", "apptainer-suid"),
    (r"INFO:    fuse2fs not found, will not be able to mount EXT3 filesystems\nFATAL:   container creation failed: image driver mount failure: "
     r"image driver squashfuse_ll instance exited with error: squashfuse_ll exited: fuse: failed to open /dev/fuse: Permission denied",
     "failed to open /dev/fuse", "mode 0666"),
    (r"FATAL:   container creation failed: image driver mount failure: image driver squashfuse_ll instance exited with error: squashfuse_ll exited: "
     r"fuse: mount failed: Invalid argument", "fuse: mount failed", "squashfuse and fuse3"),
    (r"\033[91mERROR  : Requesting capability set 0x000001ffffffffff while permitted capability set is 0x000001fffeffffff\n\033[0m",
     "Requesting capability set", "root default capabilities = no"),
    (r"FATAL:   container creation failed: mount hook function failure: mount /proc/self/fd/3->/var/lib/apptainer/mnt/session/rootfs error: while "
     r"mounting image /proc/self/fd/3: kernel reported a bad superblock for squashfs image partition", "bad superblock", "copy it again"),
    (r"FATAL:   something that nobody has seen", "something that nobody has seen", "administrators"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "told", "remedy"), FAILURES, ids=[told for _, told, _ in FAILURES])
def test_a_container_that_cannot_be_started_says_why_and_what_to_do(
    words: str, told: str, remedy: str, workspace: Path, fake_apptainer: Callable[..., None]
) -> None:
    fake_apptainer(words, 255)
    put_image(workspace / "images" / "kraken-7.1.1.sif")
    found = of_kraken("runtime=apptainer")["container"]
    assert found.state == "error"
    assert told in found.found
    assert "\x1b" not in found.found
    assert "INFO" not in found.found
    assert remedy in str(found.remedy)


def test_an_image_that_is_unpacked_at_every_start_is_a_warning(
    workspace: Path, fake_apptainer: Callable[..., None]
) -> None:
    fake_apptainer(r"INFO:    squashfuse not found, will not be able to mount SIF or other squashfs files\nINFO:    Converting SIF file to temporary sandbox...")  # fmt: skip
    put_image(workspace / "images" / "kraken-7.1.1.sif")
    found = of_kraken("runtime=apptainer")
    assert found["container"].state == "warning"
    assert found["image kraken-7.1.1.sif"].state == "ok"


def test_a_container_that_hangs_is_given_up(
    workspace: Path, on_path: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "START_S", 0.3)
    on_path("apptainer", '[ "$1" = --version ] && { echo apptainer version 1.4.5; exit; }; sleep 60')
    assert "does not answer within 0.3 s" in of_kraken("runtime=apptainer")["container"].found


def test_an_image_in_place_of_the_module_makes_its_lack_a_warning(
    workspace: Path, modulefiles: Path, fake_apptainer: Callable[..., None]
) -> None:
    put_image(workspace / "images" / "kraken-7.1.1.sif")
    found = of_kraken("runtime=module", "runtime.fallback_kraken=7.1.1")
    assert found["module kraken/4.3.13"].state == "warning"
    assert "the image is used instead" in str(found["module kraken/4.3.13"].remedy)
    assert found["image kraken-7.1.1.sif"].state == "ok"


def test_another_image_is_no_replacement(
    workspace: Path, modulefiles: Path, fake_apptainer: Callable[..., None]
) -> None:
    put_image(workspace / "images" / "kraken-4.3.13.sif", whole=False)
    put_image(workspace / "images" / "kraken-7.1.1.sif")
    found = of_kraken("runtime=module")
    assert (found["module kraken/4.3.13"].state, found["image kraken-7.1.1.sif"].state) == ("error", "ok")


def test_with_the_module_the_image_may_be_missing(
    workspace: Path, kraken_module: Path, fake_apptainer: Callable[..., None]
) -> None:
    found = of_kraken("runtime=module", f"runtime.modulepath=[{kraken_module}]")
    assert found["module kraken/4.3.13"].state == "ok"
    assert found["image kraken-4.3.13.sif"].state == "note"


def test_without_a_choice_all_that_is_here_is_told(
    workspace: Path, kraken_module: Path, fake_apptainer: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("MODULEPATH", str(kraken_module))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere" / "python"))
    monkeypatch.setenv("PATH", os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not (Path(part) / "ketos").exists()))  # fmt: skip
    put_image(workspace / "images" / "kraken-7.1.1.sif")
    found = of_kraken(asked=False)
    assert (found["runtime=module"].state, found["runtime=apptainer"].state) == ("ok", "ok")
    assert found["runtime=host"].state == "warning"
    assert str(found["runtime=host"].remedy).startswith("choose runtime=module or runtime=apptainer, or install it")
