"""The port of `ui`: it lets in whom `ui_access` lets in, and hands their requests to MLflow on its socket."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from weakref import WeakKeyDictionary

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    UnixConnector,
    web,
)
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from htr_exp.tracking.ui_access import Access, account_of, foreign, led_here

BLOCK = 1 << 16
"""Bytes of an answer that are handed on at once: artifacts are large, and never held whole."""

END_S = 1.0
"""How long an answer under way may take when the port is closed, seconds."""

_OF_THE_CONNECTION = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip
"""Headers that hold for one connection and are not handed on (RFC 9110, 7.6.1)."""

_FOR_US = {"cookie", "origin", "expect"}
"""Headers of a request that are for us."""

_NO_COOKIE = """\
This is the MLflow of somebody's workspace, and this browser is not let in.
Open it by the address that `htr-exp ui` printed last: it works once, and lets one browser in.
"""

_SPENT = """\
This address does not let you in: it was used already, or it is wrong.
A browser that is let in needs no address but {address}
For another browser, `htr-exp ui` has printed a new address.
"""

_OTHER_ACCOUNT = "Only the account that started this MLflow may use it.\n"

_ASK_AGAIN = """\
<!doctype html>
<meta charset="utf-8">
<title>MLflow</title>
<p>Opening MLflow. If nothing happens, reload this page.</p>
<script>location.reload()</script>
"""
"""Asked by ourselves, the browser shows its cookie, if it has one."""


_LOG = logging.getLogger(__name__)
_LOG.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
"""Faults of ours are told; what is no request is only refused, or every account could fill our terminal with it."""


class _Port:
    def __init__(self, access: Access, mlflow: ClientSession, account: int, entered: Callable[[], None]) -> None:
        self.access, self.mlflow, self.account, self.entered = access, mlflow, account, entered
        self._accounts: WeakKeyDictionary[object, int | None] = WeakKeyDictionary()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._account_of(request) not in (None, 0, self.account):  # root may do everything, and forwards ports
            return _refusal(_OTHER_ACCOUNT)
        if why := foreign(request.method, request.headers):
            return _refusal(f"{why}\n")
        if "token" in request.query and request.path == "/":
            return self._enter(request)
        if not self.access.knows(request.cookies.get(self.access.cookie, "")):
            if request.path == "/" and led_here(request.headers):
                return _refusal(_ASK_AGAIN, "text/html")
            return _refusal(_NO_COOKIE)
        return await self._hand_on(request)

    def _account_of(self, request: web.BaseRequest) -> int | None:
        """The account at the other end, asked once for a connection."""
        line = request.transport
        there = None if line is None else line.get_extra_info("peername")
        if line is None or there is None:
            return -1  # it is closed
        if line not in self._accounts:
            self._accounts[line] = account_of(there, line.get_extra_info("sockname"))
        return self._accounts[line]

    def _enter(self, request: web.BaseRequest) -> web.StreamResponse:
        session = self.access.enter(request.query["token"]) if request.method == "GET" else None
        if session is None:
            return _refusal(_SPENT.format(address=f"http://{request.host}/"))
        self.entered()
        answer = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
        answer.set_cookie(self.access.cookie, session, path="/", httponly=True, samesite="Strict")
        return answer

    async def _hand_on(self, request: web.BaseRequest) -> web.StreamResponse:
        address = URL.build(
            scheme="http", host="mlflow", path=request.rel_url.raw_path, query_string=request.rel_url.raw_query_string,
            encoded=True,
        )  # fmt: skip
        answer: web.StreamResponse | None = None
        try:
            async with self.mlflow.request(
                request.method,
                address,
                headers=_handed_on(request.headers.items(), but=_FOR_US),
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
            ) as theirs:
                answer = web.StreamResponse(
                    status=theirs.status, reason=theirs.reason, headers=_handed_on(theirs.headers.items())
                )
                await answer.prepare(request)
                async for block in theirs.content.iter_chunked(BLOCK):
                    await answer.write(block)
                await answer.write_eof()
        except (ClientError, ConnectionError):
            if answer is None or not answer.prepared:
                return web.Response(status=502, text="MLflow does not answer.\n")
            if request.transport is not None:
                request.transport.abort()  # so that a part is not taken for the whole
        return answer


def _refusal(text: str, kind: str = "text/plain") -> web.Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
    answer = web.Response(status=403, text=text, content_type=kind, headers=headers)
    answer.force_close()  # who is not let in keeps no line open
    return answer


def _handed_on(headers: Iterable[tuple[str, str]], but: Iterable[str] = ()) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    named = {name.strip().lower() for name in ",".join(kept.getall("Connection", [])).split(",")}
    for name in {*_OF_THE_CONNECTION, *named, *but} - {""}:
        kept.popall(name, None)
    return kept


@contextlib.asynccontextmanager
async def opened(
    listening: socket.socket, mlflow: Path, access: Access, *, account: int, entered: Callable[[], None]
) -> AsyncIterator[None]:
    """Answer on a port while the body runs.

    Args:
        listening: the port.
        mlflow: the socket of MLflow's server.
        access: who is let in.
        account: whose programs are answered, a user id.
        entered: called when a browser was let in, and `access` has a new token.
    """
    async with ClientSession(
        connector=UnixConnector(str(mlflow), limit=0),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        timeout=ClientTimeout(total=None, sock_connect=10),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    ) as session:
        port = _Port(access, session, account, entered)
        server = web.Server(port.answer, access_log=None, auto_decompress=False, logger=_LOG)
        runner = web.ServerRunner(server, shutdown_timeout=END_S)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            yield
        finally:
            await runner.cleanup()
