"""One ssh connection for many calls, and what is said where there is none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.loopback_ssh import LoopbackSsh
from htr_exp.remote import connection as connection_module
from htr_exp.remote.connection import MOST_SOCKET_BYTES, Connection
from htr_exp.remote.failures import ConnectionFailed


def test_many_calls_need_one_login_and_hear_only_what_the_scripts_say(cluster: LoopbackSsh) -> None:
    with Connection("cluster") as there:
        heard = [there.run(f"echo {number}; exit {number}") for number in range(3)]
        assert [(one.code, one.text) for one in heard] == [(0, "0\n"), (1, "1\n"), (2, "2\n")]
        assert there.run("printf 'a\\0b'; cat").output == b"a\0b"
        assert there.run("pwd").text.strip() == str(cluster.there)
    with Connection("cluster") as again:
        assert again.run("echo x").text == "x\n"
    assert cluster.sessions() == 1


def test_the_users_own_connection_is_used_where_the_configuration_keeps_one(cluster: LoopbackSsh, short: Path) -> None:
    cluster.configure(f" ControlMaster auto\n ControlPath {short}/%C\n ControlPersist 60")
    with Connection("cluster") as there:
        assert not any("Control" in word for word in there.argv)
        assert list(short.iterdir())
        there.run("true")
    assert cluster.sessions() == 1
    assert os.system(f"{cluster.ssh} -O exit cluster 2>/dev/null") == 0


def test_a_command_that_the_configuration_starts_there_and_a_port_that_it_leads_are_not_in_the_way(
    cluster: LoopbackSsh,
) -> None:
    cluster.configure(f" RemoteCommand tmux attach\n RequestTTY force\n LocalForward {cluster.port} localhost:1")
    with Connection("cluster") as there:
        assert there.run("echo x").text == "x\n"


def test_a_folder_of_sockets_that_others_may_write_is_left_alone(
    cluster: LoopbackSsh, monkeypatch: pytest.MonkeyPatch, short: Path
) -> None:
    short.chmod(0o777)
    monkeypatch.setattr(connection_module, "_socket_folder", lambda: short)
    with Connection("cluster") as there:
        assert there.run("echo x").text == "x\n"
        assert not list(short.iterdir())
        path = next(word for word in there.argv if "ControlPath" in word).partition("=")[2]
        assert len(path) + 38 + 17 <= MOST_SOCKET_BYTES
        assert Path(path).parent.is_dir()
    assert not Path(path).parent.exists()


def test_a_changed_host_key_is_no_matter_of_typing_yes(cluster: LoopbackSsh) -> None:
    cluster.configure(host_key=(cluster.folder / "user_key.pub").read_text())
    with pytest.raises(ConnectionFailed, match="another host key than before"):
        Connection("cluster").__enter__()


def test_a_key_that_is_not_known_there_is_said(cluster: LoopbackSsh) -> None:
    cluster.configure(user_key="host_key")
    with pytest.raises(ConnectionFailed, match="none of your keys"):
        Connection("cluster").__enter__()


def test_nobody_at_the_port_is_said(cluster: LoopbackSsh) -> None:
    cluster.stop()
    with pytest.raises(ConnectionFailed, match="takes no ssh at this port"):
        Connection("cluster").__enter__()


def test_a_connection_that_ends_in_the_middle_is_lost(cluster: LoopbackSsh) -> None:
    with Connection("cluster") as there:
        with pytest.raises(ConnectionFailed) as failed:
            there.run("echo begun; kill -9 $(ps -o ppid= -p $$); sleep 9")
        assert failed.value.lost


def test_a_login_shell_that_ends_is_said_in_its_own_words(cluster: LoopbackSsh) -> None:
    cluster.login_shell("echo 'your account expired' >&2; exit 1")
    with pytest.raises(ConnectionFailed, match="your account expired"):
        Connection("cluster").__enter__()


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("ssh: Could not resolve hostname clusterr: Name or service not known", "no machine of this name"),
        ("ssh: connect to host c port 22: Operation timed out", "does not answer"),
        ("No ED25519 host key is known for c.\nHost key verification failed.", "host key is not known here"),
        ("Received disconnect from ::1: 2: Too many authentication failures", "after too many keys"),
        ("kex_exchange_identification: Connection closed by remote host", "closed the connection before the login"),
        ("stdio forwarding failed\nConnection closed by UNKNOWN port 65535", "ProxyJump"),
        ("~/.ssh/config: line 3: Bad configuration option: foo", "does not take its configuration"),
        ("something new\x1b[2J", "ssh says: something new\\\\u001b"),
    ],
)
def test_what_ssh_says_is_said_in_plain_words(said: str, meaning: str, scripted: Callable[[str, int], None]) -> None:
    scripted(f"Welcome\n{said}\n", 255)
    with pytest.raises(ConnectionFailed, match=meaning):
        Connection("cluster").__enter__()


def test_an_ssh_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTR_EXP_SSH", "no-such-ssh")
    with pytest.raises(ConnectionFailed, match="install OpenSSH"):
        Connection("cluster").__enter__()
