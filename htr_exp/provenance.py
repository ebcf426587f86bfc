"""Where a run comes from: code, software and machine, as they are when it is written."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from htr_exp import __version__

PACKAGES = ("hydra-core", "omegaconf", "lxml", "rapidfuzz", "regex", "pillow", "mlflow", "mlflow-skinny", "submitit", "kraken", "torch", "torchvision",
            "lightning", "numpy", "pyarrow", "coremltools")  # fmt: skip


def code() -> tuple[dict[str, Any], str]:
    """Return version, commit and state of the running code, and its uncommitted changes as a diff.

    Commit and diff are those of the checkout the package lies in; an installed wheel has its version alone.
    """
    found: dict[str, Any] = {"version": __version__, "commit": None, "dirty": None}
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return found, ""

    def git(*words: str) -> str:
        said = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, errors="replace")
        return said.stdout if said.returncode == 0 else ""

    found["commit"] = git("rev-parse", "HEAD").strip() or None
    diff = git("diff", "HEAD", "--no-color", "--no-ext-diff") if found["commit"] else ""
    untracked = git("ls-files", "--others", "--exclude-standard", "htr_exp", "hydra_plugins", "conf").split("\n")
    found["dirty"] = bool(diff or any(untracked))
    found["untracked"] = [name for name in untracked if name]
    return found, diff


def software(kraken_version: str) -> dict[str, Any]:
    """Return the Python and the versions of the packages that decide results."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "kraken": kraken_version, "packages": versions}


def machine() -> dict[str, Any]:
    """Return host, system, processor, memory (GB) and GPUs."""
    smi = shutil.which("nvidia-smi")
    gpus = subprocess.run([smi, "-L"], capture_output=True, text=True).stdout.splitlines() if smi else []
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": gpus,
        "executable": Path(sys.executable).name,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
