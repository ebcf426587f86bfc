"""Apptainer and the images of kraken: can a container be started here, and what do the image files say of themselves."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from htr_exp.cli.doctor.finding import TIMEOUT_S, Finding, error, finding_of, ok, warning
from htr_exp.core.program import NoAnswer, ask
from htr_exp.core.text import size
from htr_exp.core.time_limit import within
from htr_exp.kraken import apptainer

START_S = 30.0
"""How long a container may take to start; it unpacks its image where it cannot mount it."""

MOUNTED = ("bin", "etc", "lib", "lib64", "usr")
"""What a container needs of this machine to run one of its programs."""

MEANINGS = (
    (r"user namespace",
     "ask the administrators to allow user namespaces (sysctl user.max_user_namespaces), or to install apptainer-suid"),
    (r"/dev/fuse", "ask the administrators to let everybody open /dev/fuse (mode 0666)"),
    (r"squashfuse|fusermount|fuse:", "ask the administrators to install squashfuse and fuse3"),
    (r"capability|capabilities",
     "root has not all capabilities here: set `root default capabilities = no` in apptainer.conf, or work as an ordinary user"),
    (r"superblock|corrupt", "make the image again, or copy it again"),
    (r"No space left", "the disk for temporary files is full: set APPTAINER_TMPDIR to a larger one"),
    (r"No such file or directory|not found", "the image lacks a program that every one has: make it again, or copy it again"),
)  # fmt: skip
"""What Apptainer says when it starts nothing -> what to do; the first that is found."""

ASK = "show these words to the administrators"


def program(absent: str) -> Finding:
    """Look for Apptainer.

    Args:
        absent: the state of the finding where there is none.
    """
    found = apptainer.program()
    if found is None:
        remedy = "ask the administrators for it (on some clusters: `module avail apptainer`), or choose another runtime"
        return Finding("Apptainer", absent, "neither apptainer nor singularity is on PATH", remedy)
    try:
        answer = ask([found, "--version"], timeout_s=TIMEOUT_S)
    except NoAnswer as silent:
        return error("Apptainer", str(silent), ASK)
    words = " ".join(answer.words.split())
    return ok("Apptainer", f"{words} ({found})") if answer.code == 0 else error("Apptainer", f"{found}: {words}", ASK)


def start(image: Path | None) -> Finding:
    """Start a container for real: in an image, else in an empty folder with this machine's programs.

    Args:
        image: an image that can be read; None if there is none.
    """
    with tempfile.TemporaryDirectory(prefix="htr_exp-doctor-") as scratch:
        if image is not None:
            command = apptainer.exec_command(image, ["true"], binds=[], environment={}, folder=Path("/"), gpu=False)
            argv = [word for word in command if word != "--quiet"]  # what it says is wanted
        else:
            for name in (*MOUNTED, "dev", "proc", "sys", "tmp"):
                (Path(scratch) / name).mkdir()
            argv = [str(apptainer.program()), "exec", "--cleanenv", "--contain", "--no-home", "--pwd", "/"]
            for name in MOUNTED:
                if Path("/", name).is_dir():
                    argv += ["--mount", f"type=bind,source=/{name},destination=/{name},ro"]
            argv += [scratch, "/bin/true"]
        try:
            answer = ask(argv, timeout_s=START_S, environment=apptainer.outside(os.environ))
            code, said = answer.code, answer.words
        except NoAnswer as silent:
            code, said = 1, f"FATAL: {silent}"
    what = f" in {image.name}" if image else ""
    words = _words(said)
    if code:
        remedy = next((remedy for pattern, remedy in MEANINGS if re.search(pattern, words, re.IGNORECASE)), ASK)
        return error("container", f"cannot be started here: {words or f'exit code {code}'}", remedy)
    if "temporary sandbox" in said:
        return warning(
            "container",
            f"starts{what}, but every start unpacks the whole image: it cannot be mounted here",
            "ask the administrators to install squashfuse",
        )
    return ok("container", f"starts here{what}")


def _words(said: str) -> str:
    """The reason of a failure: the errors, without the chain of what was under way."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    lines = re.findall(r"^(?:FATAL|ERROR)\s*:\s*(.+)$", plain, re.MULTILINE)
    return "; ".join(dict.fromkeys(lines)) or " ".join(plain.split())[-300:]


def files(folder: Path) -> list[Path]:
    """The image files of a folder, none if it does not answer."""
    try:
        return within(TIMEOUT_S, lambda: sorted(folder.glob("*.sif")) if folder.is_dir() else [], str(folder))
    except (NoAnswer, OSError):
        return []  # the folder has a finding of its own


def image(file: Path, unusable: str) -> Finding:
    """Say what an image file is, by its header.

    Args:
        file: a SIF image.
        unusable: the state of the finding if it cannot be used.
    """
    name, again = f"image {file.name}", "make it again, or copy it again"
    try:
        read = within(TIMEOUT_S, lambda: apptainer.read_image(file), str(file))
    except NoAnswer as silent:
        return Finding(name, unusable, str(silent), again)
    except apptainer.ImageUnusable as failure:
        instead = (
            again
            if file.exists()
            else "put it there, or name another: runtime.image=FILE.sif; in a checkout, `make image` builds one"
        )
        return finding_of(name, failure.problem, instead, unusable)
    return ok(name, f"{size(read.size)}, for {read.architecture} ({file.parent})")
