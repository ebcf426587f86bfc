"""A server in the place of MLflow's: in the same process and on the same socket, but it starts at once and tells what it was asked."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from htr_exp.tracking import ui_server


async def tell(request: web.BaseRequest) -> web.StreamResponse:
    """Answer with what was asked."""
    body = await request.read()
    asked = {
        "method": request.method, "path": request.raw_path, "headers": [*request.headers.items()], "body": body.decode(),
    }  # fmt: skip
    return web.json_response(asked)


async def serve(listening: socket.socket) -> None:
    runner = web.ServerRunner(web.Server(tell))
    await runner.setup()
    await web.SockSite(runner, listening).start()
    await asyncio.sleep(600)


def _serve(_uri: str, _artifacts: str, _within: Any, place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        place.chmod(0o600)
        asyncio.run(serve(listening))


def _never_up(*_order: Any) -> None:
    import time

    time.sleep(600)


def _dies(*_order: Any) -> None:
    sys.exit("the database is of a newer MLflow")


if __name__ == "__main__":
    kinds: dict[str, Any] = {"tells": _serve, "never up": _never_up, "dies": _dies}
    ui_server._serve = kinds[sys.argv[1]]
    ui_server.main()
