"""Why ssh did not reach a machine, in plain words: it says so on stderr, in English, and ends with 255."""

from __future__ import annotations

import re
from dataclasses import dataclass

from htr_exp.core.errors import HtrExpError
from htr_exp.core.problem import Problem
from htr_exp.core.text import printable

CONNECTION_LOST = 255
"""The exit code of ssh itself."""


class ConnectionFailed(HtrExpError):
    """The other machine cannot be reached, or the connection to it was lost.

    Args:
        headline, problems: as of `HtrExpError`.
        lost: it was reached before, and the same command goes on where this one ended.
    """

    def __init__(self, headline: str, problems: list[Problem | str], *, lost: bool = False) -> None:
        super().__init__(headline, problems)
        self.lost = lost


@dataclass(frozen=True)
class _Cause:
    """What ssh says, what it means, and what to do; `{host}` stands for the host as it was named."""

    said: str
    meaning: str
    remedy: str


_CAUSES = (
    _Cause(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed",
        "the machine shows another host key than before: it was set up anew, or somebody stands between",
        "ask the computing centre for its fingerprint; if it changed, run `ssh-keygen -R {host}`, then `ssh {host}` once",
    ),
    _Cause(
        r"Host key verification failed|host key is known for|authenticity of host",
        "its host key is not known here",
        "run `ssh {host}` once in a terminal and compare the fingerprint with that of the computing centre",
    ),
    _Cause(
        r"Could not resolve hostname|Name or service not known|nodename nor servname|Temporary failure in name resolution",
        "there is no machine of this name, or no network",
        "correct `login` of the site, and look whether a VPN is needed",
    ),
    _Cause(
        r"Too many authentication failures",
        "the machine refused after too many keys",
        "name the right one in ~/.ssh/config: IdentityFile FILE, IdentitiesOnly yes",
    ),
    _Cause(
        r"Permission denied",
        "it takes none of your keys, or not this login name",
        "try `ssh {host}` in a terminal: the login name may differ (USER@HOST), the key may have to be loaded (`ssh-add`) or given to the computing centre",
    ),
    _Cause(
        r"Connection refused",
        "the machine takes no ssh at this port",
        "look at host and port in ~/.ssh/config, and whether the login node is in maintenance",
    ),
    _Cause(
        r"timed out|No route to host|Network is unreachable|Host is down",
        "it does not answer",
        "look at the network and whether a VPN is needed; the login node may be in maintenance",
    ),
    _Cause(
        r"Bad configuration option|bad configuration options|Bad owner or permissions on",
        "your ssh does not take its configuration",
        "correct ~/.ssh/config until `ssh {host}` works",
    ),
    _Cause(
        r"stdio forwarding failed|UNKNOWN port|kex_exchange_identification",
        "a machine on the way (ProxyJump), or the login node itself, closed the connection before the login",
        "try `ssh {host}` in a terminal; a login node refuses for some minutes whoever came too often",
    ),
)

_LOST = re.compile(
    r"Broken pipe|Connection reset|Connection to .* closed|closed by remote host|Timeout, server|mux_client"
)


def failed(host: str, said: str, *, was_open: bool = False) -> ConnectionFailed:
    """The error that tells a user why ssh ended with 255.

    Args:
        host: as it was named.
        said: what ssh wrote on stderr.
        was_open: the machine was reached before.
    """
    cause = next((one for one in _CAUSES if re.search(one.said, said)), None)
    if was_open and (cause is None or _LOST.search(said)):
        return lost(host)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = f"; ssh says: {printable(lines[-1])[:300]}" if lines else ""
    if cause is None:
        return ConnectionFailed(
            f"{host} cannot be reached:", [Problem(f"ssh ended{last}", f"try `ssh {host}` in a terminal")]
        )
    return ConnectionFailed(
        f"{host} cannot be reached:", [Problem(f"{cause.meaning}{last}", cause.remedy.format(host=host), "site.login")]
    )


def lost(host: str) -> ConnectionFailed:
    """The error of a connection that was there and is no more."""
    remedy = "run the same command again: it goes on where this one ended"
    return ConnectionFailed(
        f"{host}: the connection was lost:", [Problem("ssh ended in the middle", remedy)], lost=True
    )
