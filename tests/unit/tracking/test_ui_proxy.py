"""The port of the MLflow UI, before a server that tells what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="the UI needs the whole of MLflow: pip install 'htr-exp[mlflow]'")

from aiohttp import ClientPayloadError, ClientSession, DummyCookieJar, TCPConnector, web

from htr_exp.tracking import ui_proxy
from htr_exp.tracking.ui_access import Access

BLOCK = b"x" * 100_000


class Place:
    """The port, a browser before it, and the server behind it."""

    def __init__(self, browser: ClientSession, address: str, access: Access) -> None:
        self.browser, self.address, self.access = browser, address, access
        self.asked: list[web.BaseRequest] = []
        self.more = asyncio.Event()
        self.entered = 0

    async def upstream(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request)
        what = request.path.rpartition("/")[2]
        if what == "moved":
            return web.Response(status=302, headers={"Location": "/elsewhere", "Set-Cookie": "theirs=1"})
        if what == "packed":
            packed = gzip.compress(b"packed words")
            return web.Response(body=packed, headers={"Content-Encoding": "gzip"})
        if what in ("slowly", "broken"):
            answer = web.StreamResponse(headers={"Content-Length": str(2 * len(BLOCK))})
            await answer.prepare(request)
            await answer.write(BLOCK)
            await self.more.wait()
            if what == "broken":
                request.transport.abort()
            else:
                await answer.write(BLOCK)
            return answer
        if what == "take":
            first = await request.content.readexactly(len(BLOCK))
            self.more.set()
            rest = await request.content.read()
            return web.Response(text=str(len(first) + len(rest)))
        return web.Response(text=f"{request.method} {request.raw_path} {(await request.read()).decode()}")

    async def ask(self, path: str, method: str = "GET", **more: Any) -> tuple[int, str, Any]:
        async with self.browser.request(method, self.address + path, allow_redirects=False, **more) as answer:
            return answer.status, (await answer.read()).decode(), answer.headers

    async def enter(self) -> dict[str, str]:
        """The headers of a browser that was let in."""
        _, _, headers = await self.ask(f"/?token={self.access.token}")
        return {"Cookie": headers["Set-Cookie"].partition(";")[0]}


@pytest.fixture
def trying(tmp_path: Path) -> Callable[[Callable[[Place], Awaitable[None]]], Place]:
    """Run a visit to the port from beginning to end."""

    async def whole(visit: Callable[[Place], Awaitable[None]]) -> Place:
        access = Access()
        async with contextlib.AsyncExitStack() as stack:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            each_time_anew = TCPConnector(force_close=True)
            browser = ClientSession(connector=each_time_anew, cookie_jar=DummyCookieJar(), auto_decompress=False)
            await stack.enter_async_context(browser)
            place = Place(browser, f"http://127.0.0.1:{listening.getsockname()[1]}", access)

            def entered() -> None:
                place.entered += 1

            runner = web.ServerRunner(web.Server(place.upstream), shutdown_timeout=1)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.UnixSite(runner, str(tmp_path / "s")).start()
            port = ui_proxy.opened(listening, tmp_path / "s", access, account=os.getuid(), entered=entered)
            await stack.enter_async_context(port)
            await asyncio.wait_for(visit(place), 60)
        return place

    return lambda visit: asyncio.run(whole(visit))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize(
    "path", ["/", "/health", "/static-files/a.js", "/get-artifact?path=x&token=x", "//", "/../x", "/%2e%2e/"]
)
def test_without_the_cookie_there_is_nothing(trying: Any, method: str, path: str) -> None:
    async def visit(place: Place) -> None:
        for cookie in ("", "htr_exp_ui=x", f"{place.access.cookie}=", f"{place.access.cookie}={place.access.token}"):
            status, text, headers = await place.ask(path, method, headers={"Cookie": cookie})
            assert status == 403
            assert "htr-exp ui" in text or method == "HEAD"
            assert "Set-Cookie" not in headers

    assert trying(visit).asked == []


def test_a_token_is_exchanged_for_a_cookie_once(trying: Any) -> None:
    async def visit(place: Place) -> None:
        token = place.access.token
        for method in ("HEAD", "POST"):
            assert (await place.ask(f"/?token={token}", method))[0] == 403
        assert (await place.ask(f"/?token={token}x"))[0] == 403
        assert (await place.ask(f"/health?token={token}"))[0] == 403
        assert (await place.ask(f"/?token={token}", headers={"Host": "evil.example"}))[0] == 403
        status, _, headers = await place.ask(f"/?token={token}")
        assert (status, headers["Location"]) == (303, "/")
        value, *rules = headers["Set-Cookie"].split("; ")
        assert sorted(rules) == ["HttpOnly", "Path=/", "SameSite=Strict"]
        assert token not in value
        cookie = {"Cookie": value}
        assert (await place.ask("/x", headers=cookie))[:2] == (200, "GET /x ")
        for headers in ({}, cookie):
            status, text, _ = await place.ask(f"/?token={token}", headers=headers)
            assert (status, "used already" in text) == (403, True)
        assert (await place.ask("/x", headers=cookie))[0] == 200

    place = trying(visit)
    assert place.entered == 1
    assert not any(place.access.cookie in str(asked.headers) for asked in place.asked), "the cookie stays with us"


def test_the_cookie_of_another_start_is_none(trying: Any) -> None:
    old: dict[str, str] = {}

    async def before(place: Place) -> None:
        old.update(await place.enter())

    async def visit(place: Place) -> None:
        value = old["Cookie"].partition("=")[2]
        for cookie in (old["Cookie"], f"{place.access.cookie}={value}"):
            assert (await place.ask("/", headers={"Cookie": cookie}))[0] == 403

    trying(before)
    assert trying(visit).asked == []


def test_another_name_or_page_gets_nothing_with_the_cookie(trying: Any) -> None:
    async def visit(place: Place) -> None:
        cookie = await place.enter()
        for headers in (
            {"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:1"},
            {"Sec-Fetch-Site": "same-site"},
        ):  # fmt: skip
            for method in ("GET", "POST"):
                assert (await place.ask("/x", method, headers=cookie | headers))[0] == 403
        assert (await place.ask("/x", "POST", headers=cookie | {"Origin": place.address}))[0] == 200

    assert len(trying(visit).asked) == 1


def test_another_account_gets_nothing_with_the_cookie(trying: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit(place: Place) -> None:
        cookie = await place.enter()
        for account in (os.getuid() + 12345, -1):
            monkeypatch.setattr(ui_proxy, "account_of", lambda *_ends, account=account: account)
            for path in ("/x", f"/?token={place.access.token}"):
                status, text, _ = await place.ask(path, headers=cookie)
                assert (status, "account" in text) == (403, True)

    place = trying(visit)
    assert (place.asked, place.entered) == ([], 1)


def test_a_page_that_leads_here_is_asked_to_ask_again(trying: Any) -> None:
    """A browser keeps a strict cookie back when a file has led it here; asked by our own page, it shows it."""

    async def visit(place: Place) -> None:
        await place.enter()
        led = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        status, text, headers = await place.ask("/", headers=led)
        assert (status, headers["Content-Type"].partition(";")[0]) == (403, "text/html")
        assert "location.reload()" in text
        status, text, headers = await place.ask("/", headers=led | {"Sec-Fetch-Site": "same-origin"})
        assert (status, headers["Content-Type"].partition(";")[0]) == (403, "text/plain"), "once, not for ever"
        assert "location" not in (await place.ask("/get-artifact", headers=led))[1]

    assert trying(visit).asked == []


def test_requests_are_handed_on_as_they_are(trying: Any) -> None:
    async def visit(place: Place) -> None:
        cookie = await place.enter()
        path = "/a%2Fb/%C3%A9?q=a%26b&path=x+y"
        async with place.browser.post(
            aiohttp.client.URL(place.address + path, encoded=True), data="words",
            headers=cookie | {"Content-Type": "text/x", "X-Theirs": "1", "Origin": place.address, "Connection": "X-Gone", "X-Gone": "1"},
        ) as answer:  # fmt: skip
            assert await answer.text() == f"POST {path} words"
        (asked,) = place.asked
        assert asked.headers["Content-Type"] == "text/x"
        assert asked.headers["X-Theirs"] == "1"
        assert asked.headers["Host"] == place.address.removeprefix("http://")
        assert not {"X-Gone", "Origin", "Cookie"} & {*asked.headers}
        status, _, headers = await place.ask("/moved", headers=cookie)
        assert (status, headers["Location"]) == (302, "/elsewhere")
        async with place.browser.get(f"{place.address}/packed", headers=cookie) as answer:
            assert gzip.decompress(await answer.read()) == b"packed words"
        assert (await place.ask("/x", "HEAD", headers=cookie))[:2] == (200, "")

    trying(visit)


def test_large_answers_and_uploads_pass_piece_by_piece(trying: Any) -> None:
    async def visit(place: Place) -> None:
        cookie = await place.enter()
        async with place.browser.get(f"{place.address}/slowly", headers=cookie) as answer:
            assert await answer.content.readexactly(len(BLOCK)) == BLOCK
            place.more.set()  # the server has sent no more until now
            assert await answer.content.read() == BLOCK
        place.more.clear()

        async def pieces() -> Any:
            yield BLOCK
            await place.more.wait()  # the server has the first piece
            yield BLOCK

        assert (await place.ask("/take", "POST", data=pieces(), headers=cookie))[:2] == (200, str(2 * len(BLOCK)))

    trying(visit)


def test_what_breaks_off_is_not_taken_for_the_whole(trying: Any) -> None:
    async def visit(place: Place) -> None:
        cookie = await place.enter()
        async with place.browser.get(f"{place.address}/broken", headers=cookie) as answer:
            assert await answer.content.readexactly(len(BLOCK)) == BLOCK
            place.more.set()
            with pytest.raises((ClientPayloadError, ConnectionError)):
                await answer.content.read()

    trying(visit)


def test_a_server_that_is_gone_is_said(trying: Any, tmp_path: Path) -> None:
    async def visit(place: Place) -> None:
        cookie = await place.enter()
        (tmp_path / "s").unlink()
        assert (await place.ask("/x", headers=cookie))[:2] == (502, "MLflow does not answer.\n")

    trying(visit)
