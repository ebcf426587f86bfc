"""A tracking server that sends a byte now and then, so that no read of a socket ever meets its limit."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.given_up import let_go
from helpers.recorded_runs import make_run
from htr_exp.tracking import sync

pytest.importorskip("mlflow")

LONG_S = 40.0


class Dripping:
    """A server that says it is well, or does not even say that."""

    def __init__(self, *, well: bool) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._well = well
        self.uri = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.over = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            asked = connection.recv(65536)
            if self._well and asked.startswith(b"GET /health"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            until = time.monotonic() + LONG_S
            while time.monotonic() < until and not self.over.wait(0.1):
                connection.sendall(b"x")


@contextlib.contextmanager
def dripping(*, well: bool) -> Iterator[Dripping]:
    server = Dripping(well=well)
    try:
        yield server
    finally:
        server.over.set()
        server._socket.close()
        let_go()


def test_one_that_does_not_say_that_it_is_well_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "SERVER_SECONDS", 1.0)
    with dripping(well=False) as server:
        (done,) = sync.sync_runs([make_run(place)], workspace=place, uri=server.uri)
    assert f"the tracking server {server.uri} does not answer (no answer within 1 s)" in str(done.problem)


def test_one_that_never_takes_a_run_is_given_up_with_the_runs_after_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "RECORD_SECONDS", 1.0)
    runs = [make_run(place, f"run-0a1b2c3{number}") for number in range(3)]
    with dripping(well=True) as server:
        found = sync.sync_runs(runs, workspace=place, uri=server.uri)
    said = f"the tracking server {server.uri} is too slow: it did not take {runs[0].name} within 1 s"
    assert all(str(one.problem).startswith(said) for one in found)
    assert [list(run.glob("live/*.lock")) for run in runs] == [[], [], []]
