"""What somebody installs is what stands in the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from helpers.folders import CHECKOUT

pytestmark = pytest.mark.seconds


def test_every_file_of_the_package_and_of_conf_is_in_the_wheel(tmp_path: Path) -> None:
    """Also those in folders within folders, and those of which the names are in .gitignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "htr_exp", "hydra_plugins", "conf"], cwd=CHECKOUT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip(f"git lists no files here: {listed.stderr.strip()}")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    files = {name for name in listed.stdout.split("\0") if name and (CHECKOUT / name).exists()}
    wanted = {f"htr_exp/{name}" if name.startswith("conf/") else name for name in files}
    assert "htr_exp/conf/training/guide/recognition.yaml" in wanted
    assert wanted <= inside
