"""Text of somebody else, in every place where it comes from, and every verb: none of it steers the terminal."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fakes.fake_slurm_site import Site, site
from fakes.scenario import weights
from helpers.fake_kraken import Scenario
from helpers.in_process import Call, Said
from helpers.page_files import page_line, page_xml, put, write_image
from helpers.recorded_runs import make_run, sealed
from htr_exp.cli.arguments import VERBS
from htr_exp.cli.main import main
from htr_exp.core import files

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")

EVIL = "\x1b]0;x\x07\x9b31m\x7f\u202eevil\u2066\u200f\u061c\u2028\r[red][link=x]y\nerror: forged\x85"
"""Of a name, a message of a server, or what a program says."""

IN_XML = "\x9b31m\x7f\u202eevil\u2066\u200f\u061c\u2028[red]&#13;&#10;error: forged\x85"
"""The same as XML may hold it."""


def assert_tame(said: Said, *, is_log: bool = False) -> None:
    """Nothing steers the terminal, no name began a line of its own but in a log, which has lines, and there is no traceback."""
    for text in (said.out, said.err):
        assert not STEERING.findall(text)
        assert is_log or "\nerror: forged" not in text
        assert "Traceback" not in text


def hostile_pages(folder: Path) -> Path:
    """Ground truth in which every name and every text is hostile, and much is wrong."""
    folder.mkdir(parents=True)
    for number in range(4):
        write_image(folder / f"{number}{EVIL}.png", shade=90 + number)
        lines = page_line(1, f"in principio {number}").replace('id="l1"', f'id="l1{IN_XML}"')
        lines += page_line(2, None).replace('id="l2"', f'id="l2{IN_XML}"')
        lines += page_line(3, "a\u202eb").replace("type:DefaultLine;", f"type:x{IN_XML};")
        lines += page_line(4, "verbum", baseline=f"1,1{IN_XML}").replace('id="l4"', f'id="{IN_XML}"')
        xml = page_xml(lines, image="IMAGE").replace("IMAGE", f"{number}{IN_XML if number % 2 else EVIL_IMAGE}.png")
        xml = xml.replace('id="r1"', f'id="r1{IN_XML}"').replace("type:MainZone;", f"type:Zone{IN_XML};")
        put(
            folder,
            xml.replace("<Page ", f"<Metadata><Comments>{IN_XML}</Comments></Metadata><Page "),
            f"{number}{EVIL}.xml",
        )
    put(folder, f"<PcGts><{IN_XML}", f"broken{EVIL}.xml")
    put(folder, f'<alto xmlns="http://{IN_XML}"><Layout/></alto>', "alto.xml")
    return folder


EVIL_IMAGE = "\x9b\u202e"


def hostile_run(workspace: Path, number: int, *, state: str = "done") -> Path:
    """A run folder whose name, records and log are hostile."""
    folder = make_run(workspace, f"run{number}{EVIL}-0a1b2c3{number}", state=state)
    files.write_json(folder / "live/state.json", {
        "state": state, "reason": f"because{EVIL}", "stage": EVIL, "since": "2026-03-01T11:00:00Z",
    })  # fmt: skip
    facts = files.read_json(folder / "provenance.json")
    facts["dataset"]["name"] = facts["model"]["name"] = facts["software"]["kraken"] = f"name{EVIL}"
    facts["run"]["name"] = f"run{EVIL}"
    facts["machine"]["host"] = EVIL
    files.write_json(folder / "provenance.json", facts)
    dataset = {"name": EVIL, "path": [EVIL]}
    (folder / "experiment.yaml").write_text(
        f"dataset: {json.dumps(dataset)}\ntask: {{name: recognition}}\nseed: {number}\nname: {json.dumps(EVIL)}\n"
        "tracking:\n  kind: none\n  uri: null\n"
    )
    (folder / "live/log.txt").write_text(f"kraken{EVIL}\n", encoding="utf-8")
    return sealed(folder)


@pytest.fixture
def slurm_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A cluster all of whose answers are hostile."""
    found = site(tmp_path, monkeypatch)
    for program in ("squeue", "sacct", "sinfo", "sacctmgr"):
        found.says(program, f"{EVIL}|{EVIL}|{EVIL}\n", err=EVIL)
    for program in ("scontrol", "scancel", "sbatch"):
        found.says(program, EVIL, err=f"{program}: error: {EVIL}", code=1)
    return found


@pytest.fixture
def server() -> Iterator[str]:
    """The address of an MLflow server that refuses everything, in hostile words."""

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(
                {"error_code": "INVALID_PARAMETER_VALUE", "message": f"no{EVIL}"}, ensure_ascii=False
            ).encode()
            self.send_response(400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    found = HTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    found.server_close()


@pytest.fixture
def hostile(tmp_path: Path, workspace: Path, slurm_says: Site) -> Path:
    """A workspace with two run folders, one that ended and one that waits for Slurm, and a config folder, all of them hostile."""
    hostile_run(workspace, 1)
    waits = hostile_run(workspace, 2, state="queued")
    record = {"job": f"12{EVIL}", "time": "2026-03-01T10:00:00Z", "partition": EVIL, "log": EVIL}
    files.append_jsonl(waits / "live/jobs.jsonl", record)
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / f"mine{EVIL}.yaml").write_text(
        f"# about{EVIL.replace(chr(10), ' ')}\npath: [x]\n", encoding="utf-8"
    )
    hostile_pages(tmp_path / f"pages{EVIL}")
    (tmp_path / f"model{EVIL}.mlmodel").write_bytes(weights(model_name=EVIL, accuracy=EVIL))
    return tmp_path


def lines_of(verb: str, hostile: Path, address: str, ketos: Path) -> list[list[str]]:
    """What is asked of a verb: every way in which it shows something of somebody else."""
    pages, model, config = (
        hostile / f"pages{EVIL}",
        hostile / f"model{EVIL}.mlmodel",
        f"--config-dir={hostile / 'conf'}",
    )
    quoted = [f"dataset.path=['{hostile}/plain']", f"runtime.ketos={ketos}", "tracking=none"]
    return {
        "train": [
            ["--dry-run", *quoted, f"model.path={json.dumps(str(model), ensure_ascii=False)}"],
            [*quoted, "model.path=null", f"seed={EVIL}", EVIL, f"--{EVIL}"],
            ["--dry-run", config, f"dataset={EVIL}", f"model={EVIL}"],
            ["--dry-run", *quoted, f"model.path={hostile / 'odd.mlmodel'}", "slurm=publicgpu"],
        ],
        "evaluate": [["--dry-run", *quoted, f"model.path={hostile / 'odd.mlmodel'}"], [f"model={EVIL}", "dataset=demo"]],
        "resume": [[], [EVIL]],
        "check": [
            [str(pages)], ["--json", str(pages)], ["--quick", str(hostile / EVIL)], [f"dataset={EVIL}"],
            ["--fix", str(hostile / f"new{EVIL}"), str(pages)],
            ["--html", str(hostile / f"x{EVIL}.html"), "--junit", str(hostile / f"x{EVIL}.xml"), "--quick", str(pages)],
            ["--since", EVIL, "--htr-united", str(hostile / EVIL / EVIL), str(pages)],
        ],
        "transcribe": [
            ["model=file", f"model.path={hostile / 'odd.mlmodel'}", f"runtime.ketos={ketos}", "training.device=cpu", str(pages),
             "--out", str(hostile / f"out{EVIL}")],
            ["model=file", f"model.path={json.dumps(str(model), ensure_ascii=False)}", str(pages), EVIL, "--out", EVIL, "--json"],
            [f"model={EVIL}", str(pages), "--out", EVIL], [f"model=last{EVIL}", EVIL, str(hostile / EVIL)],
        ],
        "clean": [[], ["--json"], ["run1"], ["run2", "--yes"], [EVIL]],
        "push": [
            ["on=unistra", "site.login=here", str(pages)], [f"on={EVIL}", str(pages)], ["on=unistra", f"site.login={EVIL}", EVIL],
            [EVIL], ["on=unistra", "site.login=here", str(hostile / EVIL), "--json"],
        ],
        "pull": [["on=unistra", "site.login=here"], [f"on={EVIL}"], [EVIL], ["on=unistra", "site.login=here", EVIL, "--json"]],
        "status": [[], ["--json"], ["run1"], [EVIL], ["--watch", f"1{EVIL}"]],
        "logs": [["run1"], ["run2"], ["run1", "-f"], [EVIL], ["run1", "run2"]],
        "compare": [[], ["--json"], ["--csv"]],
        "show": [["--no-open", "run1"], ["--no-open", "--json", "run1"], ["--no-open", EVIL]],
        "report": [
            ["run1", "--out", str(hostile / f"paper{EVIL}")], ["run1", "--json", "--out", str(hostile / f"paper{EVIL}")],
            [EVIL, "--out", "paper"], ["run1", "--out", str(hostile / "conf")],
        ],
        "test": [["run1"], ["run2", "--json"], [EVIL]],
        "sync": [["--uri", address], ["--uri", address, "--json"]],
        "ui": [["--uri", f"http://{EVIL}"]],
        "register": [["run1", EVIL], [EVIL, "hand"], ["run1", "hand", "--uri", address, "--json"]],
        "options": [[config], [config, "--json"]],
        "completion": [["answer", "bash", "htr-exp status "], ["answer", "zsh", "htr-exp train dataset="], ["fish"]],
        "init": [["site=laptop", EVIL], [f"site={EVIL}", "--json"], [str(pages)], [str(pages), str(hostile / EVIL), f"name={EVIL}", "--json"]],
        "doctor": [["slurm=publicgpu", f"runtime.ketos={ketos}", config], [EVIL, "--json"]],
        "cancel": [["run2"], ["--json", "run2"], [EVIL]],
    }[verb]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_no_name_steers_the_terminal(
    verb: str, hostile: Path, server: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    ketos = tmp_path / "bin" / "ketos"
    monkeypatch.setenv("HTR_EXP_SSH", str(ketos))  # which says the same, whatever it is asked
    ketos.parent.mkdir()
    said = json.dumps(EVIL, ensure_ascii=True)
    ketos.write_text(
        f"#!/usr/bin/env python3\nimport sys\nprint({said})\nprint({said}, file=sys.stderr)\nsys.exit(1)\n"
    )
    ketos.chmod(0o755)
    (tmp_path / "odd.mlmodel").write_bytes(weights(model_name=EVIL, accuracy=EVIL))
    hostile_pages(tmp_path / "plain")
    for words in lines_of(verb, hostile, server, ketos):
        said_here = call(verb, *words)
        assert said_here.out + said_here.err, words
        assert_tame(said_here, is_log=verb == "logs")
        if "--json" in words and said_here.out:
            json.loads(said_here.out)


def test_what_kraken_says_when_it_fails_is_tame(
    experiment: list[str], scenario: Scenario, call: Call, workspace: Path
) -> None:
    scenario.play(fail="compile", message=f"RuntimeError: {EVIL}")
    trained = call("train", *experiment)
    assert "forged" in trained.out, "it was not shown at all"
    assert_tame(trained)
    assert_tame(call("logs", "last"), is_log=True)


def test_a_traceback_is_tame(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    def run(args: object) -> int:
        raise RuntimeError(EVIL)

    monkeypatch.setattr("htr_exp.cli.options.run", run)
    try:
        main(["options"])
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    said = capsys.readouterr().err
    assert "RuntimeError" in said
    assert not STEERING.findall(said)
