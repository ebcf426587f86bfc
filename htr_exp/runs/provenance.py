"""Where a run comes from: code, software and machine, as they are when it is written; and a copy of the code to run it with."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import secrets
import shutil
import socket
import sys
from pathlib import Path

import psutil

from htr_exp import __version__
from htr_exp.core.files import digest_json, make_folder, sha256_file
from htr_exp.core.lock import made_once
from htr_exp.core.machine import driver, gpus
from htr_exp.core.program import NoAnswer, ask
from htr_exp.runs.ownership import is_our_folder, sign_folder
from htr_exp.runs.records import CodeRecord, Environment, MachineRecord, SoftwareRecord
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.uncommitted import Uncommitted, uncommitted

PACKAGES = ("hydra-core", "omegaconf", "lxml", "rapidfuzz", "regex", "pillow", "mlflow", "mlflow-skinny", "submitit", "kraken", "torch", "torchvision",
            "lightning", "numpy", "pyarrow", "coremltools")  # fmt: skip


GIT_TIMEOUT_S = 60.0
"""How long git may take to say what was changed in a checkout."""

PACKAGE = Path(__file__).resolve().parents[1]
SIGNATURE = "signature"
"""The file in a kept folder of code that says that this account wrote it."""


@functools.cache
def code_digest() -> str:
    """The SHA-256 of the running package's source, by name and content."""
    return digest_json({path.relative_to(PACKAGE).as_posix(): sha256_file(path) for path in _source()})


def _source() -> list[Path]:
    """The files of the package that a job needs: its Python files, templates and fonts."""
    return [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html"), *PACKAGE.glob("report/fonts/*")]


def keep_code(cache: Path) -> Path:
    """Copy the package's source into a folder, named by its content, that jobs import it from.

    A job that waits for hours then runs what was submitted, whatever was edited or updated since. Jobs may be importing from
    a folder of this name, so it is never changed. One that this account did not write is left alone, and not used: a
    workspace may come from somebody else.

    Raises:
        OSError: the cache cannot be written.
    """
    digest = code_digest()
    folder = cache / "code" / digest[:16]
    for kept in sorted(folder.parent.glob(f"{folder.name}*")):
        if is_our_folder(kept, digest, kept / SIGNATURE):
            return kept
    if os.path.lexists(folder):
        folder = folder.with_name(f"{folder.name}-{secrets.token_hex(4)}")

    def copy(aside: Path) -> None:
        for path in _source():
            target = aside / PACKAGE.name / path.relative_to(PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        sign_folder(aside, digest, aside / SIGNATURE)

    make_folder(folder.parent, below=cache)
    made_once(folder, copy)
    return folder


def code() -> tuple[CodeRecord, str]:
    """The version, digest, commit and state of the running code, and its uncommitted changes as a diff without secrets.

    Commit and diff are those of the checkout the package lies in; an installed wheel has its version and digest alone.
    """
    found: CodeRecord = {"version": __version__, "digest": code_digest(), "commit": None, "dirty": None}
    folder = PACKAGE.parent
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return found, ""

    def git(*words: str) -> str:
        answer = ask(["git", "-C", str(folder), *words], timeout_s=GIT_TIMEOUT_S)
        return (
            answer.output if answer.code == 0 or "--no-index" in words else ""
        )  # which ends with 1 where files differ

    try:
        commit = git("rev-parse", "HEAD").strip() or None
        changes = uncommitted(folder, git) if commit else Uncommitted("", (), ())
    except (NoAnswer, OSError):
        return found, ""  # the digest says which code it is; nothing is claimed of the commit
    state: CodeRecord = found | {
        "commit": commit,
        "dirty": bool(changes.diff or changes.untracked),
        "untracked": list(changes.untracked),
        "redacted": list(changes.redacted),
    }
    return state, changes.diff


def software(kraken_version: str) -> SoftwareRecord:
    """The Python and the versions of the packages that decide results."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "kraken": kraken_version, "packages": versions}


def machine() -> MachineRecord:
    """Host, system, processor, memory (GB), GPUs and their driver."""
    try:
        cards, version = gpus(), driver()
    except NoAnswer as silent:
        cards, version = [str(silent)], None
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": cards,
        "driver": version,
        "executable": Path(sys.executable).name,
    }


def environments_of(run: RunDir) -> list[Environment]:
    """What the starts of a run computed with and where, each once: a run that goes on on another node has several."""
    found: list[Environment] = []
    for start in run.found_krakens:
        if "software" in start and "machine" in start:
            one: Environment = {"software": start["software"], "machine": start["machine"]}
            if one not in found:
                found.append(one)
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
