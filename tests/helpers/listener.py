"""A server on this machine that hears who speaks to it."""

from __future__ import annotations

import socket
import threading


class Listener:
    """A server of the stranger's: it notes who connects, and what is said first."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.heard: list[str] = []
        self.uri = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # it was closed
                return
            with connection:
                connection.settimeout(5)
                try:
                    self.heard.append(connection.recv(4096).decode("utf-8", "replace"))
                except OSError:
                    self.heard.append("")

    def close(self) -> None:
        self._socket.close()
