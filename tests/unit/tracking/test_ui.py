"""The user interface of MLflow on this machine, from its start to its end."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers.recorded_runs import make_run, only
from helpers.ui_runs import FAKE, NOBODY, Ui, as_nobody, ask, processes, ui
from helpers.waiting import TIMEOUT_S, until
from htr_exp.core.errors import HtrExpError
from htr_exp.tracking import ui as tracking_ui
from htr_exp.tracking import ui_server
from htr_exp.tracking.sync import sync_runs

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")

ROOT_ALONE = pytest.mark.skipif(os.getuid() != 0, reason="only root can try it as another account")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "said"


def test_a_browser_is_let_in_by_the_printed_address_and_by_nothing_else(tmp_path: Path, output: Path) -> None:
    with ui(tmp_path, output) as one:
        assert "starting MLflow" in one.line("starting")
        assert f"http://127.0.0.1:{one.port}/?token=" in one.line("MLflow is at")
        first = one.token
        assert one.ask("/x").status == 403
        assert one.ask("/?token=x").status == 403
        cookie = one.enter()
        told = json.loads(one.ask("/x?y=1", "POST", b"words", Cookie=cookie).text)
        assert (told["method"], told["path"], told["body"]) == ("POST", "/x?y=1", "words")
        assert one.ask(f"/?token={first}").status == 403
        one.line("MLflow was opened")
        assert one.token != first
        assert one.enter() != cookie, "another browser is let in by the address that was printed then"
        assert one.ask("/x", Cookie=cookie).status == 200
    with ui(tmp_path, output) as another:
        another.line("MLflow is at")
        assert another.ask("/x", Cookie=cookie).status == 403


def test_the_folder_and_what_is_in_it_are_the_owners_alone(tmp_path: Path, output: Path) -> None:
    with ui(tmp_path, output) as one:
        one.line("MLflow is at")
        (folder,) = one.folders
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in folder.iterdir()} == {
            "mlflow.sock": "0o600", "open.html": "0o600", "mlflow.log": "0o600",
        }  # fmt: skip
        page = (folder / "open.html").read_text()
        assert re.findall(r"token=([\w-]+)", page) == [one.token] * 2
        one.enter()
        one.line("MLflow was opened")
        assert one.token in (folder / "open.html").read_text()


_WITH_A_FAKE = """
import sys
from htr_exp.cli.main import main
from htr_exp.tracking import ui
ui.SERVER = (sys.executable, sys.argv[1], "tells")
sys.exit(main(["ui", "--port=0", f"--workspace={sys.argv[2]}"]))
"""


@pytest.mark.parametrize("display", ["/dev/full", "a closed pipe"])
def test_it_goes_on_where_nothing_can_be_shown_any_more(tmp_path: Path, short: Path, display: str) -> None:
    if display == "/dev/full":
        shown = os.open(display, os.O_WRONLY)
    else:
        reader, shown = os.pipe()
        os.close(reader)
    words = [sys.executable, "-c", _WITH_A_FAKE, str(FAKE), str(tmp_path)]
    process = subprocess.Popen(words, stdout=shown, stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(short)})
    os.close(shown)
    try:
        (page,) = until(lambda: process.poll() is not None or list(short.glob("htr-exp-ui-*/open.html")), "the page")
        port, token = re.findall(r"http://127\.0\.0\.1:([0-9]+)/\?token=([\w-]+)", page.read_text())[0]
        cookie = ask(int(port), f"/?token={token}").cookie  # which prints a line
        assert ask(int(port), "/x", Cookie=cookie).status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()


NO_REQUESTS = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another HTTP": b"GET / HTTP/9.9\r\n\r\n",
    "an escape": b"G\x1b[31mET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: x\r\n\r\n",
    "a long address": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a bad length": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    "a bad piece": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "no text": b"GET /?token=%ff%ed%a0%80 HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: \xff=\xfe\r\n\r\n",
    "no address": b"GET http://[::1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a tunnel": b"CONNECT x:1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}


def test_what_is_no_request_is_refused_and_not_printed(tmp_path: Path, output: Path) -> None:
    with ui(tmp_path, output) as one:
        one.line("MLflow is at")
        one.line("  this address lets one browser in")  # its last line before somebody comes
        said = output.read_text()
        answers = {}
        for name, words in NO_REQUESTS.items():
            with socket.create_connection(("127.0.0.1", one.port)) as line:
                line.sendall(words)
                answers[name] = line.recv(1 << 16).split()[1:2]
        assert set(answers) == set(NO_REQUESTS)
        assert all(answer in ([b"400"], [b"403"]) for answer in answers.values()), answers
        for _ in range(5):  # and who is gone before it is answered
            with socket.create_connection(("127.0.0.1", one.port)) as line:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert one.enter()
        one.line("MLflow was opened")
        assert len(output.read_text().splitlines()) == len(said.splitlines()) + 1


def secrets_of(one: Ui) -> set[str]:
    cookie = one.enter()
    one.line("MLflow was opened")
    return {one.token, cookie.partition("=")[2]}


def seen_of(pid: int) -> bytes:
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc")
def test_no_process_shows_a_secret(tmp_path: Path, output: Path) -> None:
    uri = "postgresql://me:sesame@127.0.0.1:1/x"
    with ui(tmp_path, output, uri=uri) as one:
        hidden = secrets_of(one)
        shown = {pid: seen_of(pid) for pid in processes(one.process.pid)}
        assert len(shown) == 2
        for secret in hidden:
            assert not [pid for pid, words in shown.items() if secret.encode() in words]
        del shown[one.process.pid]  # the test itself named the store there
        assert not [pid for pid, words in shown.items() if b"sesame" in words]


def test_a_browser_is_opened_by_a_page_and_not_by_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "private").mkdir()
    entrance = tracking_ui._Entrance("http://127.0.0.1:5000", tmp_path / "private", None)
    entrance.write()
    assert entrance.access.token not in entrance.page.as_uri()
    assert f"http://127.0.0.1:5000/?token={entrance.access.token}#/experiments" in entrance.page.read_text()


def test_an_output_that_others_read_holds_no_token(tmp_path: Path, output: Path) -> None:
    with ui(tmp_path, output, mode=0o644) as one:
        said = one.line("MLflow is at")
        (folder,) = one.folders
        assert "token=" not in one.said.read_text()
        assert str(folder / "open.html") in said
        (token,) = set(re.findall(r"token=([\w-]+)", (folder / "open.html").read_text()))
        assert one.ask(f"/?token={token}").status == 303
        one.line("MLflow was opened")
        assert "token=" not in one.said.read_text()


@pytest.mark.parametrize(
    ("fake", "how"),
    [
        ("tells", signal.SIGINT),
        ("tells", signal.SIGTERM),
        ("tells", signal.SIGHUP),
        ("tells", signal.SIGKILL),
        ("never up", signal.SIGTERM),
        ("never up", signal.SIGKILL),
    ],
)
def test_nothing_is_left_however_it_ends(tmp_path: Path, output: Path, fake: str, how: signal.Signals) -> None:
    with ui(tmp_path, output, fake=fake) as one:
        if fake == "tells":
            one.line("MLflow is at")
            port, cookie = one.port, one.enter()
            assert one.ask("/x", Cookie=cookie).status == 200
        else:
            one.line("starting")
            until(lambda: len(processes(one.process.pid)) == 2)
        started = [psutil.Process(pid) for pid in processes(one.process.pid)]
        one.process.send_signal(how)
        assert one.process.wait(TIMEOUT_S) == (-signal.SIGKILL if how == signal.SIGKILL else 0)
        until(lambda: not any(process.is_running() and process.status() != "zombie" for process in started))
        until(lambda: not one.folders)
        if how != signal.SIGKILL:
            assert "MLflow ended" in one.said.read_text()
        if fake == "tells":
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", port)) != 0
        assert "Traceback" not in one.said.read_text()


def test_a_server_that_ends_ends_the_ui_in_words(tmp_path: Path, output: Path) -> None:
    with ui(tmp_path, output, fake="dies") as one:
        assert one.process.wait(TIMEOUT_S) == 1
        assert "MLflow's server ended: the database is of a newer MLflow (code 1)" in one.said.read_text()
        assert not one.folders
    with ui(tmp_path, output) as one:
        one.line("MLflow is at")
        os.kill(processes(one.process.pid)[1], signal.SIGKILL)
        assert one.process.wait(TIMEOUT_S) == 1
        assert "MLflow's server ended: it said nothing (code -9)" in one.said.read_text()
        assert not one.folders


@pytest.mark.parametrize(("port", "why"), [(70_000, "a port is a number up to 65535"), (None, "already in use")])
def test_a_port_that_cannot_be_had_is_said(tmp_path: Path, port: int | None, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(HtrExpError) as refused:
            tracking_ui.serve_ui(tmp_path, port=port or taken.getsockname()[1])
        assert why in str(refused.value.problems[0])
        assert str(port or taken.getsockname()[1]) in str(refused.value.problems[0])


def tried_by_another_account(port: int, folder: Path, pids: list[int], cookie: str, token: str) -> dict[str, Any]:
    """What another account gets by each way."""

    def asked(*lines: str) -> str:
        with socket.socket() as line:
            line.connect(("127.0.0.1", port))
            line.sendall(
                "\r\n".join(
                    ["GET /x HTTP/1.1", f"Host: 127.0.0.1:{port}", *lines, "Connection: close", "", ""]
                ).encode()
            )
            return line.recv(1 << 16).decode().split()[1]

    def refused(how: Any) -> str:
        try:
            how()
        except OSError as error:
            return type(error).__name__
        return "let in"

    def connect() -> None:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(folder / "mlflow.sock"))

    found = {
        "port": asked(),
        "replayed cookie": asked(f"Cookie: {cookie}"),
        "socket": refused(connect),
        "folder": refused(lambda: os.listdir(folder)),
        "page": refused(lambda: (folder / "open.html").read_text()),
    }
    for pid in pids:
        found[f"environ of {pid}"] = refused(lambda pid=pid: Path(f"/proc/{pid}/environ").read_bytes())
        found[f"files of {pid}"] = refused(lambda pid=pid: os.listdir(f"/proc/{pid}/fd"))
        line = Path(f"/proc/{pid}/cmdline").read_text()
        found[f"arguments of {pid}"] = "seen" if token in line or cookie in line else "hidden"
    return {"uid": os.getuid(), "found": found}


@ROOT_ALONE
def test_another_account_gets_nothing(tmp_path: Path, output: Path) -> None:
    with ui(tmp_path, output) as one:
        cookie = one.enter()
        one.line("MLflow was opened")
        pids = processes(one.process.pid)
        assert one.ask("/x", Cookie=cookie).status == 200
        port, folder, token = one.port, one.folders[0], one.token
        got = as_nobody(lambda: tried_by_another_account(port, folder, pids, cookie, token))
        assert got["uid"] == NOBODY
        assert set(got["found"].values()) <= {"403", "PermissionError", "hidden"}, got
        # a token that another account has seen is of no use to it, and is not spent by it
        spent = as_nobody(lambda: ask(port, f"/?token={token}").status)
        assert spent == 403
        assert one.enter()


def post(one: Ui, cookie: str, path: str, **words: object) -> Any:
    body = json.dumps(words).encode()
    return one.ask(f"/api/2.0/mlflow/{path}", "POST", body, Cookie=cookie, Content_Type="application/json")


@pytest.mark.slow
def test_mlflow_itself_shows_the_workspace_and_nothing_else(place: Path, output: Path, tmp_path: Path) -> None:
    import mlflow

    run_id = only(sync_runs([make_run(place)], workspace=place)).run_id
    moved = place.with_name("moved")
    place.rename(moved)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "private").write_text("for me alone")
    with ui(moved, output, fake=None) as one:
        cookie = one.enter()
        assert one.ask("/health").status == 403
        front = one.ask("/", Cookie=cookie).text
        assert "<title>MLflow</title>" in front
        # whatever address a browser comes by, it shows trainings: MLflow's own choice are language models
        assert "mlflow.workflowType_v1" in front[: front.index("src=")]
        script = next(Path(mlflow.__file__).parent.glob("server/js/build/static/js/main.*.js")).read_text()
        assert all(f'"{key.removesuffix("_v1")}",version:1' in script for key in ui_server.CHOSEN)
        assert "odalricus" in one.ask(f"/get-artifact?path=experiment.yaml&run_uuid={run_id}", Cookie=cookie).text
        found = post(one, cookie, "runs/search", experiment_ids=["1"])
        assert run_id in found.text
        assert not (moved / "mlflow.db.lock").exists()

        for method in ("GET", "PUT", "DELETE"):  # MLflow's own folder of artifacts, of which we have none
            assert one.ask("/api/2.0/mlflow-artifacts/artifacts/x", method, b"words", Cookie=cookie).status == 503

        large = os.urandom(30 << 20)
        upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run_id}&path=more/large.bin"
        tried = one.ask(upload, "POST", large[: 5 << 20], Cookie=cookie)
        assert tried.status == 200, tried.text
        again = one.ask(f"/get-artifact?path=more/large.bin&run_uuid={run_id}", Cookie=cookie)
        assert hashlib.sha256(again.body).digest() == hashlib.sha256(large[: 5 << 20]).digest()
        artifacts = next((moved / "mlartifacts").glob(f"*/{run_id}/artifacts"))
        (artifacts / "large.bin").write_bytes(large)
        assert one.ask(f"/get-artifact?path=large.bin&run_uuid={run_id}", Cookie=cookie).body == large

        for where in (outside.as_uri(), str(outside), f"{(moved / 'mlartifacts').as_uri()}/../../outside", "s3://x/y", "mlflow-artifacts:/x", "relative"):  # fmt: skip
            answer = post(one, cookie, "experiments/create", name=f"at {where}", artifact_location=where)
            assert (answer.status, "only shown from the workspace" in answer.text) == (403, True), (where, answer.text)
        inside = post(
            one,
            cookie,
            "experiments/create",
            name="inside",
            artifact_location=f"{(moved / 'mlartifacts').as_uri()}/own",
        )
        assert inside.status == 200, inside.text

        # what a database says that was not written through us
        with sqlite3.connect(moved / "mlflow.db") as db:
            before = db.execute("SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()[0]
            db.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (outside.as_uri(), run_id))
        assert_shut(one, cookie, run_id)
        with sqlite3.connect(moved / "mlflow.db") as db:
            db.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (before, run_id))
        db.close()

        (artifacts / "private").symlink_to(outside / "private")
        assert_shut(one, cookie, run_id)
        (artifacts / "private").unlink()
        assert one.ask(f"/get-artifact?path=experiment.yaml&run_uuid={run_id}", Cookie=cookie).status == 200
        artifacts.rename(artifacts.with_name("aside"))
        artifacts.symlink_to(outside)
        assert_shut(one, cookie, run_id)
        assert [file.name for file in outside.iterdir()] == ["private"]

        one.process.send_signal(signal.SIGINT)
        assert one.process.wait(TIMEOUT_S) == 0
        assert "MLflow ended" in output.read_text()
        assert not one.folders


def assert_shut(one: Ui, cookie: str, run_id: str) -> None:
    """Nothing is listed, read or written through a run whose artifacts lead elsewhere."""
    for path in (
        f"/get-artifact?path=private&run_uuid={run_id}",
        f"/ajax-api/2.0/mlflow/artifacts/list?run_id={run_id}",
    ):
        answer = one.ask(path, Cookie=cookie)
        assert (answer.status, "only shown from the workspace" in answer.text) == (403, True), answer.text
    upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run_id}&path=written.bin"
    answer = one.ask(upload, "POST", b"words", Cookie=cookie)
    assert (answer.status, "only shown from the workspace" in answer.text) == (403, True), answer.text
