"""The changes of the code that no commit holds, as a diff for the record: code and configuration alone, and no secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from htr_exp.core.secrets import LEFT_OUT, line_is_secret

FOLDERS = ("htr_exp", "hydra_plugins", "conf")
"""Of a checkout: what a run depends on. Data, notebooks and papers that lie beside them are nobody's business."""

CODE = frozenset({".py", ".yaml", ".yml", ".jinja", ".sh"})
LARGEST = 1_000_000
"""Bytes of a file that git does not know; a larger one is no code that somebody wrote."""


@dataclass(frozen=True)
class Uncommitted:
    """What a checkout holds beside its commit.

    Attributes:
        diff: of changed and of new files; lines that look like a secret are replaced.
        untracked: files of these folders that git does not know.
        redacted: files with such lines.
    """

    diff: str
    untracked: tuple[str, ...]
    redacted: tuple[str, ...]


def uncommitted(folder: Path, git: Callable[..., str]) -> Uncommitted:
    """The uncommitted changes of a checkout.

    Args:
        folder: the checkout.
        git: runs git there and has its output.
    """
    names = git("ls-files", "-z", "--others", "--exclude-standard", "--", *FOLDERS).split("\0")
    untracked = tuple(sorted(name for name in names if name))
    parts = [git("diff", "HEAD", "--no-color", "--no-ext-diff", "--", *FOLDERS)]
    for name in untracked:
        path = folder / name
        if path.suffix in CODE and path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
            parts.append(git("diff", "--no-color", "--no-ext-diff", "--no-index", "--", "/dev/null", name))
    lines, redacted, file = [], [], ""
    for line in "".join(parts).splitlines(keepends=True):
        if line.startswith(("+++ ", "--- ")):
            file = line[4:].strip().partition("/")[2] if "/dev/null" not in line else file
        elif line[:1] in "+- " and line_is_secret(line[1:]):
            redacted.append(file)
            line = f"{line[:1]}{LEFT_OUT}\n"
        lines.append(line)
    return Uncommitted("".join(lines), untracked, tuple(dict.fromkeys(redacted)))
