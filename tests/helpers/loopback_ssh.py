"""A real sshd on loopback, whose login shell prints what it likes, and an ssh that knows it alone: `~/.ssh` is not touched."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from helpers.folders import CHECKOUT

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
MISSING = [
    name
    for name, found in (("sshd", SSHD), ("ssh", shutil.which("ssh")), ("rsync", shutil.which("rsync")))
    if not found
]
WHY_NOT = f"{', '.join(MISSING)} is not on this machine: install openssh-server and rsync"

LOGIN = """\
echo 'Welcome to the cluster: 12 nodes are in maintenance'
printf 'no newline at the end: '
export HOME={there} PATH={there}/bin:$PATH PYTHONPATH={checkout}
cd {there} || exit 1
{more}
if [ -z "$SSH_ORIGINAL_COMMAND" ]; then exit 0; fi
exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


@dataclass
class LoopbackSsh:
    """A machine that ssh reaches as `cluster`.

    Attributes:
        folder: of its keys and settings.
        there: the home folder there.
    """

    folder: Path
    there: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    started: list[str] = field(default_factory=list)

    @property
    def ssh(self) -> str:
        """What the variable HTR_EXP_SSH has to say."""
        return shlex.join(["ssh", "-F", str(self.folder / "ssh_config")])

    def start(self) -> None:
        """Make keys, and start to listen.

        Raises:
            RuntimeError: sshd did not begin to listen.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.there / "bin").mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for name in ("host_key", "user_key"):
            if not (self.folder / name).exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        shutil.copy(self.folder / "user_key.pub", self.folder / "authorized_keys")
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        self.login_shell()
        self.configure()
        (self.folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {self.folder}/host_key\nPidFile none\nStrictModes no\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"UsePAM no\nPermitRootLogin yes\nForceCommand /bin/sh {self.folder}/login\nAcceptEnv LANG LC_*\n"
        )
        with open(self.folder / "sshd.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(SSHD), "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for _ in range(200):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "sshd.log").read_text())

    def login_shell(self, more: str = "") -> None:
        """What the login shell there does before each command."""
        there, checkout = shlex.quote(str(self.there)), shlex.quote(str(CHECKOUT))
        (self.folder / "login").write_text(LOGIN.format(there=there, checkout=checkout, more=more))

    def configure(self, more: str = "", *, host_key: str | None = None, user_key: str = "user_key") -> None:
        """Write what ssh here knows of it.

        Args:
            more: lines of ssh_config for this host, which win.
            host_key: the key that it is known by; None: its own.
            user_key: the file of the key that is shown.
        """
        known = host_key or (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {known}")
        (self.folder / "ssh_config").write_text(
            f"Host cluster\n{more}\n HostName 127.0.0.1\n Port {self.port}\n IdentityFile {self.folder / user_key}\n IdentitiesOnly yes\n"
            f" IdentityAgent none\n StrictHostKeyChecking yes\n UserKnownHostsFile {self.folder}/known_hosts\n GlobalKnownHostsFile /dev/null\n"
        )

    def install(self) -> None:
        """Put our own tool on the PATH there."""
        program = self.there / "bin" / "htr-exp"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m htr_exp "$@"\n')
        program.chmod(0o755)

    def sessions(self) -> int:
        """How many connections came."""
        return (self.folder / "sshd.log").read_text().count("Accepted publickey")

    def stop(self) -> None:
        """Stop listening, and end what is connected."""
        if self.process is not None:
            subprocess.run(
                [*shlex.split(self.ssh), f"-oControlPath=/tmp/htr-exp-{os.geteuid()}/%C", "-O", "exit", "cluster"],
                capture_output=True, check=False,
            )  # fmt: skip
            self.process.terminate()
            self.process.wait(10)
            self.process = None
