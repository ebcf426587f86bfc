"""A tracking server that fails in one of several ways."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

ANSWERS = {
    "silent": b"",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
    "rubbish": b"\x00\xff\x1b[2J\n\n",
    "resets": b"",
    "drips": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b" " * 1000,
}
"""What it answers to every request; `drips` a byte at a time, `silent` never."""

MODES = ("away", *ANSWERS)


@contextlib.contextmanager
def faulty_server(mode: str) -> Iterator[str]:
    """Have such a server while the body runs; its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if mode != "away":
            listening.listen(50)
            threading.Thread(target=_serve, args=(listening, mode), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _serve(listening: socket.socket, mode: str) -> None:
    kept: list[socket.socket] = []
    while True:
        try:
            caller, _ = listening.accept()
        except OSError:
            break
        kept.append(caller)
        threading.Thread(target=_answer, args=(caller, mode), daemon=True).start()
    for caller in kept:
        caller.close()


def _answer(caller: socket.socket, mode: str) -> None:
    with contextlib.suppress(OSError):
        if mode == "silent":
            return
        if mode == "resets":
            caller.close()
            return
        caller.recv(65536)
        if mode != "drips":
            caller.sendall(ANSWERS[mode])
            caller.close()
            return
        for byte in ANSWERS[mode]:
            caller.sendall(bytes([byte]))
            time.sleep(0.2)
