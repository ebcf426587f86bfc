"""Who may use the MLflow UI."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from helpers.waiting import until
from htr_exp.tracking.ui_access import Access, account_of, foreign, led_here


def test_a_token_lets_one_browser_in_once() -> None:
    access = Access()
    token = access.token
    session = access.enter(token)
    assert session is not None
    assert access.knows(session)
    assert access.enter(token) is None
    another = access.enter(access.token)
    assert another not in (None, session)
    assert access.knows(session), "the first browser stays in"
    assert len({token, access.token, session, another}) == 4


@pytest.mark.parametrize("typed", ["", "x", "é", "\ud800", "None"])
def test_nothing_but_the_token_lets_in(typed: str) -> None:
    access = Access()
    token = access.token
    assert access.enter(typed) is None
    assert access.enter(token[:-1]) is None
    assert not access.knows(typed)
    assert not access.knows(token), "a token is no session"
    assert access.token == token, "a wrong token spends nothing"


def test_what_one_start_let_in_another_does_not_know() -> None:
    before, now = Access(), Access()
    session = before.enter(before.token)
    assert not now.knows(session)
    assert before.cookie != now.cookie


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "LOCALHOST:8080", "localhost", "[::1]:5000"])
def test_the_names_of_this_machine_are_ours(host: str) -> None:
    assert foreign("GET", {"Host": host}) is None
    assert foreign("POST", {"Host": host, "Origin": f"http://{host}"}) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:5000", "127.0.0.1.evil.example", "localhost.evil.example", "localhost:", "10.0.0.1",
     "127.0.0.1:5000 ", "127.0.0.1:5000@evil.example", "evil.example#127.0.0.1:5000", "localhost\n", "１２７.0.0.1"],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    assert foreign("GET", {"Host": host}) is not None


OURS = {"Host": "127.0.0.1:5000"}
WINDOW = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:6000"},
        {"Origin": "http://localhost:5000"},
        {"Origin": "https://127.0.0.1:5000"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
    ids=str,
)
def test_a_page_of_another_address_gets_nothing(method: str, headers: dict[str, str]) -> None:
    assert foreign(method, OURS | headers) is not None


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_a_page_of_another_address_may_lead_here_and_no_more(site: str) -> None:
    assert foreign("GET", OURS | WINDOW | {"Sec-Fetch-Site": site}) is None
    assert foreign("POST", OURS | WINDOW | {"Sec-Fetch-Site": site}) is not None
    assert led_here(WINDOW | {"Sec-Fetch-Site": site}) is (site == "cross-site")


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_page_and_a_typed_address_are_ours(site: str) -> None:
    assert foreign("POST", OURS | {"Origin": "http://127.0.0.1:5000", "Sec-Fetch-Site": site}) is None
    assert not led_here(WINDOW | {"Sec-Fetch-Site": site})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists whose a connection is")
def test_the_account_at_the_other_end_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        there = socket.create_connection(listening.getsockname())
        here, name = listening.accept()
        with here:
            assert account_of(name, here.getsockname()) == os.getuid()
            there.close()
            # who has gone is nobody: what it asked for before is not done in our name
            until(lambda: account_of(name, here.getsockname()) == -1)
        assert account_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
