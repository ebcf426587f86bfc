"""The user interface of MLflow on this machine."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from helpers.recorded_runs import free_port, make_run, only, wait_for
from htr_exp.tracking.sync import sync_runs

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")


@pytest.mark.slow
def test_the_ui_answers_on_the_loopback_and_ends_with_an_interrupt(place: Path) -> None:
    run_id = only(sync_runs([make_run(place)], workspace=place)).run_id
    moved = place.with_name("moved")
    place.rename(moved)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = free_port()
        code = (
            "import sys; from pathlib import Path; from htr_exp.tracking import ui;"
            "ui.serve_ui(Path(sys.argv[1]), port=int(sys.argv[2]))"
        )
        child = subprocess.Popen([sys.executable, "-c", code, str(moved), str(port)], stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None
            assert "starting MLflow" in child.stdout.readline()
            said = child.stdout.readline()
            address = f"http://127.0.0.1:{port}"
            assert address in said
            wait_for(address, child)
            url = f"{address}/get-artifact?path=experiment.yaml&run_uuid={run_id}"
            with urllib.request.urlopen(url, timeout=20) as answer:
                assert b"odalricus" in answer.read()
        finally:
            child.send_signal(signal.SIGINT)
            rest, _ = child.communicate(timeout=60)
    assert "MLflow ended" in rest
    assert child.returncode == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not (moved / "mlflow.db.lock").exists()
