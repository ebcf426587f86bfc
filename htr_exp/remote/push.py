"""Sending a folder, or a model, to where the site has such: only what is not there, after asking how much room is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from htr_exp.config.login import Login
from htr_exp.core.errors import ConfigError
from htr_exp.core.text import counted, printable, size
from htr_exp.remote import file_lists, rsync, space
from htr_exp.remote.connection import Connection
from htr_exp.remote.rsync import Progress, TransferFailed, word

OF_MODELS = (".mlmodel", ".safetensors", ".pt", ".ckpt")


@dataclass(frozen=True)
class Sent:
    """What was sent of one folder or file.

    Attributes:
        path: here.
        to: the folder there, as a person writes it.
        files, size: what was sent; bytes.
        same: files that were there already.
        only_there: names of files there that are not here.
        left_out: files that macOS or Windows makes for itself.
        room: how much fits there, in words; "" where nothing was to be sent.
    """

    path: Path
    to: str
    files: int
    size: int
    same: int
    only_there: tuple[str, ...]
    left_out: int
    room: str = ""


def place_there(path: Path, login: Login) -> str:
    """The folder there into which a folder or a file goes: ground truth and models have theirs.

    Seen from the home folder there unless it is absolute.
    """
    kind = "models" if path.is_file() and path.suffix.lower() in OF_MODELS else "ground_truth"
    folder = PurePosixPath(login.workspace, login.folders.get(kind, kind))
    return str(folder / path.name if path.is_dir() else folder)


def push(connection: Connection, path: Path, login: Login, progress: Progress | None = None) -> Sent:
    """Send what is not there of a folder or a file; nothing there is removed.

    Args:
        connection: open.
        path: here.
        login: the site.
        progress: told how far it is.

    Raises:
        ConfigError: it is not there, or names of two files are one; nothing was sent.
        TransferFailed: it does not fit, or rsync did not copy it.
        ConnectionFailed: the connection was lost.
    """
    path = path.absolute()
    folder = path if path.is_dir() else path.parent
    to = place_there(path, login)
    there = word(to)
    if path.is_dir():
        here = file_lists.files_here(folder)
    elif path.is_file():
        status = path.stat()
        here = file_lists.Here({path.name: file_lists.Stamp(status.st_size, int(status.st_mtime // 1))}, 0)
    else:
        raise ConfigError(f"{printable(str(path))}: there is no such folder or file")
    found = _listed(connection, there, None if path.is_dir() else path.name)
    change = file_lists.difference(folder, here.files, found, connection, there)
    if clashes := file_lists.said_of_clashes(change.clashes):
        raise ConfigError(f"{printable(str(path))} cannot be sent to {printable(to)}:", clashes)
    wanted = {name: here.files[name] for name in change.to_send}
    need = sum(stamp.size for stamp in wanted.values())
    room = ""
    if wanted:
        limits = space.limits(connection.run(space.script(there)).text)
        room = space.room(limits)
        if full := space.too_much(limits, need, len(change.new)):
            remedy = "remove there what is no longer needed, or ask the computing centre for more"
            raise TransferFailed(f"{printable(str(path))} does not fit:", [f"{one}; {remedy}" for one in full])
        _make(connection, there, to)
        rsync.send(connection, folder, there, wanted, progress)
        _verify(connection, there, wanted)
    return Sent(
        path,
        to,
        files=len(wanted),
        size=need,
        same=change.same,
        only_there=change.only_there if path.is_dir() else (),
        left_out=here.left_out,
        room=room,
    )


def _listed(connection: Connection, there: str, name: str | None) -> dict[str, file_lists.Stamp]:
    """The files of a folder there; only one of them, if one is named, in all the spellings of its name."""
    heard = connection.run(file_lists.listing(there))
    if heard.code:
        said = (heard.errors.strip() or "nothing").splitlines()[-1]
        raise TransferFailed("the folder there cannot be listed:", [f"find says: {printable(said)[:300]}"])
    files = file_lists.listed(heard.output)
    return files if name is None else {one: stamp for one, stamp in files.items() if "/" not in one}


def _make(connection: Connection, there: str, to: str) -> None:
    heard = connection.run(f"mkdir -p {there} 2>&1")
    if heard.code:
        raise TransferFailed(f"{printable(to)} cannot be made there:", [printable(heard.text.strip())[:300]])


def _verify(connection: Connection, there: str, wanted: dict[str, file_lists.Stamp]) -> None:
    """Look that all is there as it was: a file that changed here while it was sent is not."""
    found = _listed(connection, there, None)
    if lacking := [name for name, stamp in wanted.items() if found.get(name) != stamp]:
        what = f"{counted(len(lacking), 'file')} (first: {printable(lacking[0])}) changed while they were sent, or did not arrive"
        raise TransferFailed("it is not all there:", [f"{what}; run the same command again"])


def said(sent: Sent) -> str:
    """What was sent, in a sentence."""
    same = f"{counted(sent.same, 'file')} {'was' if sent.same == 1 else 'were'} there already"
    if not sent.files:
        return f"{printable(sent.path.name)}: nothing to send, {same}: {printable(sent.to)}"
    return f"{printable(sent.path.name)}: {counted(sent.files, 'file')} sent, {size(sent.size)}; {same}: {printable(sent.to)}"
