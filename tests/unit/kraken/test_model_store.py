from __future__ import annotations

import json
import os
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import platformdirs
import pytest

from helpers.model_bytes import kraken_coreml
from htr_exp.config.places import kraken_file
from htr_exp.core.errors import ModelError
from htr_exp.kraken import model_store
from htr_exp.kraken.model_store import fetch, locate, obtain

# sickle, which htrmopo asks the repository with, is older than the warning.
pytestmark = [pytest.mark.seconds, pytest.mark.filterwarnings("ignore:.*invalid escape sequence")]

DOI = "10.5281/zenodo.4711"
CONCEPT_DOI = "10.5281/zenodo.4710"
MODEL = kraken_coreml()

RECORD = """<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-01-01T00:00:00Z</responseDate>
<GetRecord><record>
<header><identifier>oai:zenodo.org:4711</identifier><datestamp>2026-01-01T00:00:00Z</datestamp></header>
<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dcat="http://www.w3.org/ns/dcat#"
 xmlns:dct="http://purl.org/dc/terms/"><rdf:Description>
<dct:identifier>https://doi.org/10.5281/zenodo.4711</dct:identifier><dct:title>A model</dct:title>{files}
</rdf:Description></rdf:RDF></metadata>
</record></GetRecord></OAI-PMH>"""
FILE = """<dcat:distribution><dcat:Distribution><dcat:downloadURL rdf:resource="{url}"/>
<dcat:byteSize>{size}</dcat:byteSize></dcat:Distribution></dcat:distribution>"""
UNKNOWN = """<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><error code="idDoesNotExist">No such id</error></OAI-PMH>"""


@dataclass
class Config:
    """Stands for the section `model` of a config."""

    name: str | None = "tridis"
    path: str | None = None
    doi: str | None = None
    file: str | None = None


@dataclass
class Repository:
    """What a Zenodo on loopback holds and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=lambda: {"tridis.mlmodel": MODEL, "README.md": b"a card"})
    sent: Callable[[bytes], bytes] = lambda content: content
    announced: Callable[[bytes], int] = len  # Content-Length
    file_status: int = 200
    unknown: str | None = None
    hangs: threading.Event | None = None
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    answers = Repository()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.requests.append(self.path)
            if answers.hangs is not None:
                answers.hangs.wait(30)
                return
            place = urlsplit(self.path)
            if place.path == "/oai2d":
                self.answer_record(parse_qs(place.query)["identifier"][0])
            elif place.path == "/api/records/4710":
                self.answer(200, json.dumps({"doi": DOI}).encode())
            elif place.path.startswith("/files/"):
                content = answers.files[place.path.removeprefix("/files/")]
                self.answer(answers.file_status, answers.sent(content), answers.announced(content))
            else:
                self.answer(404, b"nothing here")

        def answer_record(self, identifier: str) -> None:
            if answers.unknown is not None:
                self.answer(200, answers.unknown.encode())
            elif identifier == "oai:zenodo.org:4711":
                base = f"http://127.0.0.1:{self.connection.getsockname()[1]}/files/"
                files = (FILE.format(url=base + name, size=len(data)) for name, data in answers.files.items())
                self.answer(200, RECORD.format(files="".join(files)).encode())
            else:
                self.answer(404, b"no record")

        def answer(self, status: int, content: bytes, length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) if length is None else length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("MODEL_REPO_OAI_URL", f"{base}/oai2d")
    monkeypatch.setenv("MODEL_REPO_URL", f"{base}/api/")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield answers
    if answers.hangs is not None:
        answers.hangs.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def here(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The repository, asked by this process: a child takes a second to import htrmopo."""
    from htrmopo import repo

    monkeypatch.setattr(repo.sickle, "endpoint", os.environ["MODEL_REPO_OAI_URL"])
    monkeypatch.setattr(model_store, "_download", lambda doi, folder, _: model_store._download_here(doi, str(folder)))
    return repository


def store(doi: str = DOI) -> Path:
    return Path(platformdirs.user_data_dir("htrmopo")) / str(uuid.uuid5(uuid.NAMESPACE_DNS, doi))


def refusal(doi: str = DOI, file: str | None = "tridis.mlmodel", timeout_s: float = 60) -> str:
    with pytest.raises(ModelError) as caught:
        fetch(doi, file, timeout_s=timeout_s, put_in=Path("/project/Model_de_base"))
    message = str(caught.value)
    assert f"https://doi.org/{doi}" in message
    if file:
        assert f"/project/Model_de_base/{file}" in message
    else:
        assert "put it into /project/Model_de_base and set model.file" in message
    left = list(store().parent.glob("*")) if store().parent.exists() else []
    assert left == [], "a failed download must leave nothing that htrmopo would take for a model"
    return message


def test_model_is_fetched_from_its_doi_and_found_again_without_network(repository: Repository) -> None:
    path = fetch(DOI, "tridis.mlmodel", timeout_s=60)
    assert path == store() / "tridis.mlmodel"
    assert path.read_bytes() == MODEL
    assert (store() / "README.md").read_bytes() == b"a card"
    repository.requests.clear()
    assert fetch(DOI, "tridis.mlmodel", timeout_s=60) == path
    assert fetch(f"https://doi.org/{DOI}", None, timeout_s=60) == path
    assert locate(Config(doi=DOI, file="tridis.mlmodel"), []) == path
    assert repository.requests == []


def test_what_was_fetched_is_where_htrmopo_looks_for_it(here: Repository) -> None:
    from htrmopo import get_model

    path = fetch(DOI, None, timeout_s=60)
    assert Path(get_model(DOI)) == path.parent


def test_only_model_file_of_a_record_is_taken_when_none_is_named(here: Repository) -> None:
    assert fetch(DOI, None, timeout_s=60).name == "tridis.mlmodel"


def test_doi_of_all_versions_leads_to_the_newest(here: Repository) -> None:
    assert fetch(CONCEPT_DOI, None, timeout_s=60).read_bytes() == MODEL


def test_store_that_an_interrupted_download_left_is_filled_up(here: Repository) -> None:
    store().mkdir(parents=True)
    (store() / "tridis.mlmodel").write_bytes(MODEL[:1000])
    assert locate(Config(doi=DOI, file="tridis.mlmodel"), []) is None
    assert fetch(DOI, "tridis.mlmodel", timeout_s=60).read_bytes() == MODEL


def test_file_that_the_record_lacks_is_named_with_those_it_has(here: Repository) -> None:
    assert "no file other.mlmodel; it has: README.md, tridis.mlmodel" in refusal(file="other.mlmodel")


def test_record_with_several_models_asks_which(here: Repository) -> None:
    here.files["second.mlmodel"] = MODEL
    assert "model.file to one of second.mlmodel, tridis.mlmodel" in refusal(file=None)


def test_record_without_a_model_says_what_it_has(here: Repository) -> None:
    del here.files["tridis.mlmodel"]
    assert "no model file; it has: README.md" in refusal(file=None)


def test_server_that_hangs_is_left_at_the_time_limit(repository: Repository) -> None:
    repository.hangs = threading.Event()
    assert "longer than model.fetch_timeout_s=4 seconds" in refusal(timeout_s=4)


def test_unknown_doi_is_said(repository: Repository) -> None:
    assert "there is no such record" in refusal(doi="10.5281/zenodo.99")


def test_doi_that_the_repository_calls_unknown_is_said(here: Repository) -> None:
    here.unknown = UNKNOWN
    assert "there is no such record" in refusal()


def test_doi_that_is_not_zenodos_is_said(repository: Repository) -> None:
    assert "not a valid DOI" in refusal(doi="10.1000/182")


def test_download_that_the_server_cuts_is_refused(here: Repository) -> None:
    here.sent = lambda content: content[: len(content) // 2]
    assert "the download was cut" in refusal()


def test_download_shorter_than_the_record_says_is_refused(here: Repository) -> None:
    here.sent = lambda content: content[:-10]
    here.announced = lambda content: len(content) - 10
    assert "where the record says" in refusal()


def test_error_page_in_place_of_the_model_is_refused(here: Repository) -> None:
    here.file_status = 404
    here.sent = lambda _: b"<html>gone</html>"
    here.announced = lambda _: len(b"<html>gone</html>")
    assert "where the record says" in refusal()


def test_file_that_is_no_model_is_refused(here: Repository) -> None:
    here.files["tridis.mlmodel"] = b"not a model at all"
    assert "neither a CoreML file" in refusal()


def test_answer_that_is_no_record_is_refused(repository: Repository) -> None:
    repository.unknown = "<html>log in to the hotel's network</html>"
    assert "htrmopo stopped with" in refusal()


def test_missing_network_is_said(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MODEL_REPO_OAI_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/oai2d")
        assert "the network cannot be reached from here" in refusal()


def test_path_decides_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.mlmodel").write_bytes(MODEL)
    (tmp_path / "tridis.mlmodel").write_bytes(MODEL)
    model = Config(path=str(tmp_path / "mine.mlmodel"), doi=DOI, file="tridis.mlmodel")
    assert locate(model, [tmp_path]) == tmp_path / "mine.mlmodel"
    assert locate(Config(path="mine.mlmodel"), [tmp_path]) == tmp_path / "mine.mlmodel"
    assert locate(Config(path="none.mlmodel", file="tridis.mlmodel"), [tmp_path]) is None


def test_file_put_there_by_hand_is_found_before_the_doi_is_asked(here: Repository, tmp_path: Path) -> None:
    (tmp_path / "tridis.mlmodel").write_bytes(MODEL)
    model = Config(doi=DOI, file="tridis.mlmodel")
    assert obtain(model, [tmp_path / "absent", tmp_path], timeout_s=60) == tmp_path / "tridis.mlmodel"
    assert here.requests == []


def test_model_that_is_nowhere_is_fetched_only_when_allowed(here: Repository, tmp_path: Path) -> None:
    model = Config(doi=DOI, file="tridis.mlmodel")
    with pytest.raises(ModelError) as refused:
        obtain(model, [tmp_path], timeout_s=None)
    (problem,) = refused.value.problems
    assert f"tridis.mlmodel is not in {tmp_path}" in problem.what
    assert "train` downloads it" in problem.remedy
    assert f"https://doi.org/{DOI} and put it into {tmp_path}, or name it with model.path=FILE" in problem.remedy
    assert here.requests == []
    assert obtain(model, [tmp_path], timeout_s=60).read_bytes() == MODEL


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Config(path="none.mlmodel", doi=DOI), "model.path=none.mlmodel: no such file"),
        (Config(file="none.mlmodel"), "model.file=none.mlmodel: no such file"),
        (Config(), "set model.path"),
    ],
)
def test_model_without_doi_that_is_nowhere_is_said(tmp_path: Path, model: Config, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        obtain(model, [tmp_path], timeout_s=60)
    assert words in str(caught.value)


def test_krakens_own_model_is_found_without_importing_kraken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kraken").mkdir()
    (tmp_path / "kraken" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "kraken" / "blla.mlmodel").write_bytes(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "kraken", raising=False)
    assert kraken_file("blla.mlmodel") == tmp_path / "kraken" / "blla.mlmodel"
    assert locate(Config(file="blla.mlmodel"), []) == tmp_path / "kraken" / "blla.mlmodel"
    assert kraken_file("none.mlmodel") is None


def test_missing_kraken_is_said_where_its_model_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="kraken is not installed in"):
        obtain(Config(name="blla", file="blla.mlmodel"), [], timeout_s=None)
