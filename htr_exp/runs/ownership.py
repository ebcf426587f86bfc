"""Whether this account wrote a folder itself: only then may a run say what is started, loaded and spoken to, and jobs import code.

Seals find accidents. They do not say who wrote a folder: whoever writes one can seal it. So a run that we write gets a
signature with a key that only this account can read. It holds for the folder itself: a copy is another folder, and so is
what is unpacked from an archive.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from htr_exp.core.files import sha256_file, write_atomically
from htr_exp.core.lock import made_once
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem
from htr_exp.runs.run_dir import RunDir

KEY_BYTES = 32


def sign(run: RunDir, manifest: str | None = None) -> None:
    """Mark a run folder as written, or accepted, by this account; without a place for its key nothing is marked.

    Args:
        run: its folder.
        manifest: the digest of a manifest that is about to be written: what makes a folder a run comes after its signature, so
            that whoever is killed between the two leaves no run that nobody has written. None: the run is sealed already.

    Raises:
        OSError: the run folder cannot be written.
    """
    sign_folder(run.path, sha256_file(run.manifest) if manifest is None else manifest, run.signature)


def is_ours(run: RunDir) -> bool:
    """Whether this account wrote the run folder here, or has accepted it, and nobody else owns it."""
    try:
        return is_our_folder(run.path, sha256_file(run.manifest), run.signature)
    except OSError:
        return False


def sign_folder(folder: Path, content: str, signature: Path) -> None:
    """Mark a folder as written by this account; without a place for its key nothing is marked.

    Args:
        folder: it may be renamed afterwards.
        content: a digest of what it holds.
        signature: the file that is written.

    Raises:
        OSError: it cannot be written.
    """
    if (key := _key()) is not None:
        write_atomically(signature, f"{_signature(folder, content, key)}\n")


def is_our_folder(folder: Path, content: str, signature: Path) -> bool:
    """Whether `sign_folder` marked this very folder, by this account, and nobody else owns it."""
    key = _key(make=False)
    try:
        if key is None or folder.stat().st_uid != os.geteuid():
            return False
        return hmac.compare_digest(signature.read_text("ascii").strip(), _signature(folder, content, key))
    except (OSError, ValueError):
        return False


def not_ours(run: RunDir) -> str:
    """What is said where a folder that is not ours would have to be believed, with what to do."""
    return (
        f"{run.path}: this run was not written by you in this folder (it was copied, unpacked or made by somebody else). Its programs, "
        f"checkpoints and server are not used. If you trust the folder, `{own_command(f'resume {run.name} --trust')}` goes on with it"
    )


def copies_among(runs: Sequence[RunDir]) -> dict[Path, list[RunDir]]:
    """The folders that are copies of a run among these, each with the other folders of this run; all of them where nobody knows the original."""
    alike: dict[str, list[RunDir]] = {}
    for run in runs:
        alike.setdefault(str(run.facts()["run"].get("uuid")), []).append(run)
    found: dict[Path, list[RunDir]] = {}
    for same in (same for same in alike.values() if len(same) > 1):
        ours = [run for run in same if is_ours(run)]
        found |= {run.path: [other for other in same if other is not run] for run in same if ours != [run]}
    return found


def _signature(folder: Path, content: str, key: bytes) -> str:
    # The inode tells the folder from its copies: it is the same on all nodes, and after the folder was moved.
    said = f"{folder.stat().st_ino} {content}"
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def key_problem() -> Problem | None:
    """Why folders cannot be signed, with what to do; None if they can. Nothing is written."""
    path = _place()
    try:
        if path.exists():
            _read_key(path)
        elif why := _unwritable(path.parent):
            raise _NoKeyError(why)
    except _NoKeyError as trouble:
        return Problem(
            f"{trouble}: `resume` and the same command will not go on with the run by themselves, but with `resume RUN --trust`",
            "set XDG_DATA_HOME to a folder that is yours alone, wherever you give commands for this workspace",
            "XDG_DATA_HOME",
        )
    return None


class _NoKeyError(Exception):
    """There is no key to sign with; the text says why."""


def _key(*, make: bool = True) -> bytes | None:
    """The secret of this account, made at the first need; None where there is none, or others could have read it."""
    path = _place()
    with contextlib.suppress(OSError, _NoKeyError):
        if make:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made_once(path, _write_key)
        return _read_key(path)
    return None


def _place() -> Path:
    return platformdirs.user_data_path("htr_exp") / "signing.key"


def _read_key(path: Path) -> bytes:
    """The secret in a file.

    Raises:
        _NoKeyError: it cannot be read, others could have read it, or it is none.
    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise _NoKeyError(f"the key that runs are signed with, {path}, cannot be read ({error.strerror})") from None
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise _NoKeyError(f"the key that runs are signed with, {path}, is not for you alone (`rm` it, or `chmod 600`)")
    if len(key) != KEY_BYTES:
        raise _NoKeyError(f"the key that runs are signed with, {path}, is damaged (`rm` it: another one is made)")
    return key


def _unwritable(folder: Path) -> str | None:
    """Why a folder cannot be made or written."""
    around = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    if around.is_dir() and os.access(around, os.W_OK | os.X_OK):
        return None
    return f"the key that runs are signed with has no place: {folder} cannot be written"


def _write_key(path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
