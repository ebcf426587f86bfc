"""Programs in a real image, run as the user of the tests and, where that is root, as an ordinary user, too.

Apptainer mounts an image for root by the kernel, for others by a helper process: what survives a signal differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helpers.waiting import TIMEOUT_S, until
from htr_exp.kraken import apptainer
from htr_exp.kraken.apptainer import Bind, ImageUnusable, binds, digest, exec_command, outside, read_image

NOBODY = 65534

UNDER_WAY = """
echo up > log
trap 'echo TERM >> log; sleep 1 & wait $!; cat /etc/debian_version >> log; exit 0' TERM
sleep 300 &
echo $! > worker
while :; do wait; done
"""
"""A program with a process of its own that ends in its own time and needs the image's files for it; its folder keeps the log."""


@dataclass
class User:
    """Somebody who runs programs in the image."""

    image: Path
    home: Path
    folder: Path  # a writable folder, with a writable folder tmp in it
    as_user: dict[str, object]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def line(
        self,
        *argv: str,
        readable: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        leashed: bool = False,
        mounts: Sequence[Bind] = (),
    ) -> list[str]:
        """The command line of a program in the image that may write in its folder."""
        return exec_command(
            self.image,
            argv,
            binds=[*binds(readable, [self.folder]), *mounts],
            environment={"TMPDIR": str(self.folder / "tmp"), **(environment or {})},
            folder=folder or self.folder,
            gpu=False,
            leashed=leashed,
        )

    @property
    def variables(self) -> dict[str, str]:
        """What apptainer runs under."""
        return outside(os.environ) | {"HOME": str(self.home), "SECRET": "1", "LC_ALL": "C.UTF-8"}

    def run(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program in the image to its end."""
        return subprocess.run(
            self.line(*argv, **options),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.home,
            env=self.variables,
            timeout=TIMEOUT_S,
            **self.as_user,  # type: ignore[call-overload]
        )

    def says(self, *argv: str, **options: object) -> str:
        """Run a program in the image, which must succeed silently otherwise, and return what it prints."""
        done = self.run(*argv, **options)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start a program in the image, leashed, in a session of its own."""
        self.started.append(
            subprocess.Popen(
                self.line(*argv, leashed=True),
                stdin=subprocess.PIPE,
                cwd=self.home,
                env=apptainer.shielded(self.variables, self.folder / "bin"),
                start_new_session=True,
                **self.as_user,  # type: ignore[call-overload]
            )
        )
        return self.started[-1]

    def under_way(self) -> subprocess.Popen[str]:
        """Start the program that ends in its own time, and wait until it is under way."""
        process = self.start("sh", "-c", UNDER_WAY)
        until(lambda: (self.folder / "worker").exists() and (self.folder / "worker").read_text())
        return process

    @property
    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture(params=["the user of the tests", "an ordinary user"])
def user(request: pytest.FixtureRequest, public_image: Path, public_folder: Path, tmp_path: Path) -> Iterator[User]:
    ordinary = request.param == "an ordinary user"
    if ordinary and os.geteuid() != 0:
        pytest.skip("the user of the tests is one")
    place = public_folder / tmp_path.name
    home, folder = place / "home", place / "run"
    for one in (home, folder, folder / "tmp"):
        one.mkdir(parents=True)
        if ordinary:
            os.chown(one, NOBODY, NOBODY)
    (home / "secret").write_text("secret")
    found = User(public_image, home, folder, {"user": NOBODY, "group": NOBODY, "extra_groups": []} if ordinary else {})
    yield found
    for process in found.started:
        apptainer.kill(process.pid)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def alive_in(session: int) -> dict[int, str]:
    """The processes of a session that have not ended, and the names of their programs."""
    found = {}
    for state in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = state.read_text(errors="replace").rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        if int(fields[3]) == session and fields[0] not in "ZX":
            found[int(state.parent.name)] = name.partition("(")[2]
    return found


def all_gone(session: int) -> None:
    until(lambda: not alive_in(session), f"the end of all in session {session}")


def test_a_real_image_is_read(public_image: Path, tmp_path: Path) -> None:
    image = read_image(public_image)
    header = subprocess.run(["apptainer", "sif", "header", str(public_image)], capture_output=True, text=True).stdout
    assert f"Primary Architecture: {image.architecture}\n" in header
    with open(public_image, "rb") as file:
        assert digest(image, tmp_path) == hashlib.file_digest(file, "sha256").hexdigest()


def test_a_real_image_that_lacks_its_last_byte_is_refused(public_image: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.sif"
    size = public_image.stat().st_size
    with open(public_image, "rb") as whole, open(short, "wb") as file:
        file.write(whole.read(1 << 20))
        file.truncate(size - 1)
    with pytest.raises(ImageUnusable, match=f"it has {size - 1} of {size} bytes"):
        read_image(short)


def test_a_program_sees_the_binds_and_nothing_else_of_this_machine(user: User, tmp_path: Path) -> None:
    data = user.folder.parent / "data"
    data.mkdir()
    (data / "page.xml").write_text("page")
    script = f"""
        pwd; cat '{data}/page.xml'; echo
        for gone in '{user.home}' '{Path(__file__).parent}' '{tmp_path}' /etc/apptainer; do [ ! -e "$gone" ] || echo "sees $gone"; done
        ls -A /tmp | grep -v '^{user.folder.parts[2]}$' || :
        touch here tmp/there && echo written
        touch '{data}/page.xml' 2>/dev/null || echo kept
        mkdir /tmp/x 2>/dev/null || echo kept
        echo "$HOME ${{SECRET-none}}"
    """
    assert user.says("sh", "-c", script, readable=[data]).splitlines() == [
        str(user.folder), "page", "written", "kept", "kept", f"{user.folder}/tmp none",
    ]  # fmt: skip
    assert (user.folder / "here").exists()


def test_the_users_own_settings_of_apptainer_change_nothing(user: User) -> None:
    line = user.line("sh", "-c", f"echo ${{SET-none}}; ls '{user.home}' 2>/dev/null || echo hidden")
    told = user.variables | {"APPTAINERENV_SET": "1", "APPTAINER_BIND": str(user.home), "SINGULARITY_BINDPATH": "/etc"}
    for variables, expected in ((outside(told), "none\nhidden\n"), (told, "1\nsecret\n")):
        done = subprocess.run(
            line,
            capture_output=True,
            text=True,
            cwd="/",
            env=variables,
            **user.as_user,  # type: ignore[call-overload]
        )
        assert done.stdout == expected


def test_arguments_and_variables_arrive_as_they_are(user: User) -> None:
    odd = [
        "a b",
        "a,b",
        "a;b",
        'a"b',
        "a'b",
        "a\nb",
        "é",
        "a=b",
        "a:b",
        "a\\b",
        "",
        "$HOME",
        "$(id)",
        "`id`",
        "*",
        "-e",
        "%s",
    ]
    environment = {f"V{number}": value for number, value in enumerate(odd)}
    names = " ".join(f'"$V{number}"' for number in range(len(odd)))
    said = user.says("sh", "-c", f"printf '%s|' {names} \"$@\"", "sh", *odd, environment=environment)
    assert said == "".join(f"{word}|" for word in odd + odd)


@pytest.mark.parametrize(
    "name", ["a b", "a,b", "a:b", 'a"b', "a'b", "a\nb", "é", "a=b", "a\\b", " a ", "$HOME", "`id`", "ro"]
)
def test_folders_of_any_name_are_seen(user: User, name: str) -> None:
    data, work = user.folder.parent / "data" / name, user.folder / name
    for folder in (data, work):
        folder.mkdir(parents=True)
        if user.as_user:
            os.chown(folder, NOBODY, NOBODY)
    (data / "f").write_text("read")
    script = 'cat "$1/f"; touch "$1/g" 2>/dev/null || echo " kept"; touch here; pwd'
    assert user.says("sh", "-c", script, "sh", str(data), readable=[data], folder=work) == f"read kept\n{work}\n"
    assert (work / "here").exists()


def test_symlinks_lead_where_they_lead_here(user: User) -> None:
    root = user.folder.parent
    (root / "disk" / "gt").mkdir(parents=True)
    (root / "disk" / "gt" / "page.png").write_text("image")
    (root / "alias").symlink_to("disk")
    (root / "gt").symlink_to(root / "alias" / "gt")
    (root / "staged").mkdir()
    (root / "staged" / "page.png").symlink_to("../gt/page.png")
    pages = [root / "staged", root / "staged" / "page.png"]
    for path in (root / "staged" / "page.png", root / "gt" / "page.png"):
        assert user.says("cat", str(path), readable=[*pages, path]) == "image"


def test_a_file_and_a_folder_are_seen_under_another_name(user: User) -> None:
    data = user.folder.parent / "data"
    data.mkdir()
    (data / "f").write_text("read")
    mounts = [Bind(data, Path("/opt/somewhere else"), False), Bind(data / "f", Path("/opt/file,1"), False)]
    assert user.says("cat", "/opt/somewhere else/f", "/opt/file,1", mounts=mounts) == "readread"


def test_shared_memory_takes_more_than_a_site_allows_apptainer(user: User) -> None:
    block = Path("/dev/shm") / user.folder.parent.name
    script = f"trap 'rm -f {block}' EXIT; head -c 100000000 /dev/zero > {block}; wc -c < {block}"
    assert user.says("sh", "-c", script) == "100000000\n"


def test_the_exit_code_is_handed_on(user: User) -> None:
    assert user.run("sh", "-c", "exit 7").returncode == 7
    assert user.run("sh", "-c", "kill -9 $$").returncode == 137
    assert user.run("no-such-program").returncode == 127


def test_usr2_does_not_reach_the_program(user: User) -> None:
    process = user.under_way()
    os.killpg(process.pid, signal.SIGUSR2)
    time.sleep(1)
    assert process.poll() is None
    assert user.log == ["up"]


def test_a_program_ends_in_its_own_time(user: User) -> None:
    process = user.under_way()
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 0
    assert user.log[:2] == ["up", "TERM"]
    assert len(user.log) == 3
    all_gone(process.pid)


def test_what_slurm_tells_every_process_does_not_take_the_images_files(user: User) -> None:
    process = user.under_way()
    for number in (signal.SIGUSR2, signal.SIGTERM):
        for pid in alive_in(process.pid):
            os.kill(pid, number)
        time.sleep(0.1)
    assert process.wait(TIMEOUT_S) == 0
    assert set(user.log[1:-1]) == {"TERM"}
    assert user.log[-1][0].isdigit(), "it read /etc/debian_version of the image"
    all_gone(process.pid)


def test_a_program_that_is_told_several_times_ends_in_its_own_time(user: User) -> None:
    process = user.under_way()
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 0
    assert set(user.log[1:-1]) == {"TERM"}
    all_gone(process.pid)


def test_killing_apptainer_ends_the_program_and_its_processes(user: User) -> None:
    process = user.under_way()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(TIMEOUT_S)
    until(lambda: not [name for name in alive_in(process.pid).values() if "squashfuse" not in name])


def test_killing_the_session_leaves_nothing(user: User) -> None:
    process = user.under_way()
    apptainer.kill(process.pid)
    process.wait(TIMEOUT_S)
    all_gone(process.pid)


def test_letting_go_of_the_leash_leaves_nothing(user: User) -> None:
    process = user.under_way()
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(TIMEOUT_S) == 137
    all_gone(process.pid)
    assert user.log == ["up"]


def test_a_program_does_not_outlive_who_started_it(user: User, tmp_path: Path) -> None:
    line = user.line("sh", "-c", UNDER_WAY, leashed=True)
    script = (
        "import json, subprocess, sys, time\n"
        "child = subprocess.Popen(json.loads(sys.argv[1]), stdin=subprocess.PIPE, start_new_session=True)\n"
        "print(child.pid, flush=True)\ntime.sleep(300)\n"
    )
    parent = subprocess.Popen(
        [sys.executable if not user.as_user else "/usr/bin/python3", "-c", script, json.dumps(line)],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env=user.variables,
        **user.as_user,  # type: ignore[call-overload]
    )
    assert parent.stdout is not None
    session = int(parent.stdout.readline())
    try:
        until(lambda: (user.folder / "worker").exists() and (user.folder / "worker").read_text())
        parent.kill()
        parent.wait()
        all_gone(session)
    finally:
        parent.kill()
        apptainer.kill(session)
        parent.stdout.close()
