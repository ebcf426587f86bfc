"""No secret gets into a configuration, and so into no record of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ConfigError

pytestmark = pytest.mark.seconds

TOKEN = "glpat-" + "a" * 20


def refused(words: list[str], folders: list[Path] | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        compose_experiment(words, folders or [])
    assert "hunter22" not in str(error.value)
    assert TOKEN not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "word",
    [
        "tracking.uri=http://ada:hunter22@host",
        "tracking.uri=http://hunter22@host",
        "+tracking.uri='https://ada:hunter22@host/x'",
        f"name={TOKEN}",
        "dataset.name=hunter22-pages",
        "slurm.extra.token=hunter22",
        "trackng.uri=http://ada:hunter22@host",
        f"question='why {TOKEN}'",
        "dataset.path=[a,'https://ada:hunter22@host']",
    ],
)
def test_a_secret_that_is_typed_is_refused_and_not_repeated(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_PASSWORD", "hunter22")
    said = refused([word, "training.epochs=3"])
    assert word.partition("=")[0].lstrip("+") in said
    assert "and every value is recorded" in said


def test_of_a_server_it_is_said_where_they_belong() -> None:
    assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in refused(
        ["tracking.uri=http://ada:hunter22@host"]
    )


@pytest.mark.parametrize(
    "line",
    [
        "uri: http://ada:hunter22@host",
        "uri: http://ada:${oc.env:SITE_PASSWORD}@host",
        "uri: ${oc.env:SITE_PASSWORD}",
        "uri: ${oc.env:UNSET_TOKEN,nothing}",
        "uri: '${oc.env: SITE_URI }'",
    ],
)
def test_a_secret_of_a_file_is_refused(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_PASSWORD", "hunter22")
    monkeypatch.setenv("SITE_URI", "http://ada:hunter22@host")
    (tmp_path / "tracking").mkdir()
    (tmp_path / "tracking" / "mine.yaml").write_text(f"# mine\nkind: server\n{line}\n")
    assert "tracking.uri" in refused(["tracking=mine", "dataset.path=[x]"], [tmp_path])


@pytest.mark.parametrize(
    "word",
    [
        "tracking.uri=http://host:5000",
        "tracking.uri='${oc.env:SITE_URI}'",
        "name=token-of-love",
        "runtime.image=docker://host:5000/kraken@sha256:abc",
    ],
)
def test_what_is_no_secret_is_taken(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_URI", "http://host:5000")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter22")
    compose_experiment([word, "dataset.path=[x]"])
