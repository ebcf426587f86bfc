from __future__ import annotations

import pytest

from htr_exp.core.secrets import (
    HIDDEN,
    hidden,
    is_secret,
    line_is_secret,
    names_secret,
    variable_names_secret,
    without_password,
)

TOKENS = ["ghp_" + "a" * 36, "glpat-" + "b" * 20, "hf_" + "c" * 34, "AKIA" + "D" * 16, "eyJ" + "e" * 20 + ".eyJ" + "f" * 20 + ".g",
          "-----BEGIN OPENSSH PRIVATE KEY-----"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown", "address"),
    [
        ("http://ada:hunter22@host:5000/x", f"http://{HIDDEN}@host:5000/x", "http://host:5000/x"),
        ("https://ada:p@ss@host", f"https://{HIDDEN}@host", "https://host"),
        ("postgresql://ada:@host/db", f"postgresql://{HIDDEN}@host/db", "postgresql://host/db"),
        ("http://ada@host", "http://ada@host", "http://host"),
        (
            "docker://host:5000/kraken@sha256:abc",
            "docker://host:5000/kraken@sha256:abc",
            "docker://host:5000/kraken@sha256:abc",
        ),
        ("sqlite:////a/b:c@d", "sqlite:////a/b:c@d", "sqlite:////a/b:c@d"),
    ],
)
def test_an_address_is_shown_without_its_password(text: str, shown: str, address: str) -> None:
    assert hidden(f"see {text} there") == f"see {shown} there"
    assert without_password(text) == address
    assert is_secret(text) == (shown != text)


@pytest.mark.parametrize("token", TOKENS)
def test_tokens_of_known_shapes_are_hidden(token: str) -> None:
    assert hidden(f"a {token} b") == f"a {HIDDEN} b"


def test_values_of_variables_that_are_called_so_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "open sesame")
    monkeypatch.setenv("SITE_TOKEN", "short")
    monkeypatch.setenv("KRAKEN_HOME", "no secret at all")
    assert hidden("401 for open sesame, short, no secret at all") == f"401 for {HIDDEN}, short, no secret at all"


@pytest.mark.parametrize(
    ("name", "secret"),
    [("MLFLOW_TRACKING_PASSWORD", True), ("GITHUB_TOKEN", True), ("API_KEY", True), ("DB_PW", True), ("AWS_SECRET_ACCESS_KEY", True),
     ("PWD", False), ("OLDPWD", False), ("PATH", False), ("TOKENIZERS_PARALLELISM", False), ("TOKEN_FILE", False), ("COMPASS", False)],
)  # fmt: skip
def test_names_of_variables(name: str, secret: bool) -> None:
    assert variable_names_secret(name) is secret


@pytest.mark.parametrize(
    ("key", "secret"), [("slurm.extra.api_key", True), ("my.password", True), ("dataset.page_column", False)]
)
def test_names_of_keys(key: str, secret: bool) -> None:
    assert names_secret(key) is secret


def test_a_line_beside_its_name_is_a_secret_in_code_alone() -> None:
    assert line_is_secret("token: abcdefgh")
    assert not line_is_secret("token: str")
    assert not is_secret("token: abcdefgh")
