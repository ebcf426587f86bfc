"""Images and the command lines that run programs in them, without an Apptainer: the real one has its tests in tests/apptainer."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.apptainer_image import CODE, HERE, in_image, sif
from htr_exp.core.files import sha256_file
from htr_exp.kraken import apptainer
from htr_exp.kraken.apptainer import Bind, Image, ImageUnusable, binds, digest, exec_command, outside, read_image


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A whole image for this machine."""
    path = tmp_path / "kraken.sif"
    path.write_bytes(sif())
    return path


def test_an_image_says_what_it_is(image: Path) -> None:
    assert read_image(image) == Image(image, 4096 + 48 * 585 + 35 + 5000, HERE)


def test_an_image_that_does_not_say_its_processor_is_taken(image: Path) -> None:
    image.write_bytes(sif(b"00"))
    assert read_image(image).architecture == "unknown"


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"hsqs" + bytes(200), bytes(128), sif(magic=b"SIF_TRAGIC")])
def test_another_file_is_no_image(image: Path, content: bytes) -> None:
    image.write_bytes(content)
    with pytest.raises(ImageUnusable, match=rf"^{image} is not a SIF image$"):
        read_image(image)


@pytest.mark.parametrize("there", [128, 5000, 4096 + 48 * 585, 4096 + 48 * 585 + 35 + 4999])
def test_an_image_that_was_not_copied_to_its_end_is_refused(image: Path, there: int) -> None:
    whole = image.stat().st_size
    os.truncate(image, there)
    with pytest.raises(
        ImageUnusable, match=rf"^{image} is cut short: it has {there} of {whole} bytes; copy or build it again$"
    ):
        read_image(image)


def test_more_at_the_end_is_no_fault(image: Path) -> None:
    with open(image, "ab") as file:
        file.write(bytes(100))
    assert read_image(image).size == 4096 + 48 * 585 + 35 + 5000 + 100


def test_a_header_with_senseless_numbers_does_no_harm(image: Path) -> None:
    for numbers in ((-1, -1, -1, -1, -1, -1), (0, 1 << 62, 1 << 62, 1 << 62, 1 << 62, 1 << 62), (0, 48, 4096, 3, 0, 0)):
        image.write_bytes(
            apptainer.HEADER.pack(b"", b"SIF_MAGIC\0", b"01\0", CODE[HERE] + b"\0", bytes(16), 0, 0, *numbers)
        )
        with pytest.raises(ImageUnusable):
            read_image(image)


def test_an_image_for_another_processor_is_refused(image: Path) -> None:
    other = "arm64" if HERE != "arm64" else "amd64"
    image.write_bytes(sif(CODE[other]))
    with pytest.raises(
        ImageUnusable, match=rf"^{image} is for another processor: {other}, and this machine is {HERE}$"
    ):
        read_image(image)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageUnusable, match=rf"^{tmp_path}/missing\.sif does not exist$"):
        read_image(tmp_path / "missing.sif")
    with pytest.raises(ImageUnusable, match=rf"^{tmp_path} is a folder: a SIF image is one file$"):
        read_image(tmp_path)
    (tmp_path / "loop.sif").symlink_to("loop.sif")
    with pytest.raises(ImageUnusable, match=r"loop\.sif cannot be read: Too many levels of symbolic links$"):
        read_image(tmp_path / "loop.sif")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_image_that_may_not_be_read_is_refused(image: Path) -> None:
    image.chmod(0)
    with pytest.raises(ImageUnusable, match=r"cannot be read: Permission denied$"):
        read_image(image)


class Hashing:
    """Counts how often a whole file is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        monkeypatch.setattr("htr_exp.core.file_cache.TICK_NS", -1)  # a file written just now is trusted too
        self._real = sha256_file
        monkeypatch.setattr(apptainer, "sha256_file", self)

    def __call__(self, path: Path) -> str:
        self.times += 1
        return self._real(path)


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> Hashing:
    return Hashing(monkeypatch)


def test_the_digest_is_read_once(image: Path, tmp_path: Path, hashing: Hashing) -> None:
    expected = hashlib.sha256(image.read_bytes()).hexdigest()
    link = tmp_path / "link.sif"
    link.symlink_to(image)
    assert [digest(read_image(path), tmp_path / "cache") for path in (image, image, link)] == [expected] * 3
    assert hashing.times == 1


def rewrite(image: Path) -> None:
    image.write_bytes(sif(data=6000))


def touch(image: Path) -> None:
    os.utime(image, ns=(1, 1))


def replace(image: Path) -> None:
    before = image.stat()
    other = image.with_suffix(".other")
    other.write_bytes(image.read_bytes()[:-1] + b"x")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(image)


@pytest.mark.parametrize("change", [rewrite, touch, replace])
def test_a_changed_image_is_read_again(
    image: Path, tmp_path: Path, hashing: Hashing, change: Callable[[Path], None]
) -> None:
    digest(read_image(image), tmp_path / "cache")
    change(image)
    assert digest(read_image(image), tmp_path / "cache") == hashlib.sha256(image.read_bytes()).hexdigest()
    assert hashing.times == 2


@pytest.mark.parametrize("noted", ["", "[1]", "PK\x03\x04"])
def test_a_broken_note_is_written_anew(image: Path, tmp_path: Path, hashing: Hashing, noted: str) -> None:
    digest(read_image(image), tmp_path / "cache")
    (note,) = (tmp_path / "cache").iterdir()
    note.write_text(noted)
    for _ in range(2):
        assert digest(read_image(image), tmp_path / "cache") == hashlib.sha256(image.read_bytes()).hexdigest()
    assert hashing.times == 2


def test_a_cache_that_cannot_be_written_costs_only_time(image: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert digest(read_image(image), tmp_path / "cache") == hashlib.sha256(image.read_bytes()).hexdigest()


def test_the_program_is_apptainer_or_else_singularity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert apptainer.program() is None
    for name in ("singularity", "apptainer"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert apptainer.program() == str(tmp_path / name)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Folders of pages and models, seen through symlinks as on a cluster: home/gt leads by alias to disk/gt."""
    root = Path(os.path.realpath(tmp_path))
    for folder in ("disk/gt/book", "disk/models", "home/run/train", "home/staged"):
        (root / folder).mkdir(parents=True)
    (root / "alias").symlink_to("disk")
    (root / "home" / "gt").symlink_to(root / "alias" / "gt")
    for number in range(20):
        (root / "disk" / "gt" / "book" / f"{number}.png").touch()
        (root / "home" / "staged" / f"{number}.png").symlink_to(f"../gt/book/{number}.png")
    (root / "disk" / "models" / "base.mlmodel").touch()
    return root


def seen(root: Path, readable: list[str], writable: list[str] | None = None) -> list[str]:
    found = binds([root / one for one in readable], [root / one for one in writable or []])
    assert all(bind.source == bind.target for bind in found)
    return [f"{bind.target.relative_to(root)}{' rw' if bind.writable else ''}" for bind in found]


def test_folders_are_seen_where_they_are(tree: Path) -> None:
    assert seen(tree, ["home/staged"], ["home/run"]) == ["home/run rw", "home/staged"]


def test_what_lies_in_another_bind_needs_none(tree: Path) -> None:
    assert seen(tree, ["home/run/train", "home/run"]) == ["home/run"]
    assert seen(tree, ["home/run/train", "home/run"], ["home/run"]) == ["home/run rw"]
    assert seen(tree, ["home"], ["home/run"]) == ["home", "home/run rw"]
    assert seen(tree, [], ["home/run/train", "home"]) == ["home rw"]


def test_a_folder_of_a_like_name_is_another(tree: Path) -> None:
    (tree / "home" / "run2").mkdir()
    assert seen(tree, ["home/run", "home/run2"]) == ["home/run", "home/run2"]


def test_every_step_of_a_way_through_symlinks_is_seen(tree: Path) -> None:
    assert seen(tree, ["home/gt/book"]) == ["alias/gt/book", "disk/gt/book", "home/gt/book"]
    assert seen(tree, ["home", "home/gt/book"]) == ["home", "alias/gt/book", "disk/gt/book"]
    assert seen(tree, ["home"], ["home/gt/book"]) == ["home", "alias/gt/book rw", "disk/gt/book rw"]
    assert seen(tree, ["alias/models/base.mlmodel"]) == ["alias/models/base.mlmodel", "disk/models/base.mlmodel"]


def test_a_single_file_is_seen_alone(tree: Path) -> None:
    assert seen(tree, ["disk/models/base.mlmodel"]) == ["disk/models/base.mlmodel"]
    assert seen(tree, ["disk/models/base.mlmodel", "disk/models"]) == ["disk/models"]


def test_many_files_are_seen_as_their_folders(tree: Path) -> None:
    pages = [f"home/staged/{number}.png" for number in range(20)]
    assert seen(tree, pages) == ["home/staged", "alias/gt/book", "disk/gt/book", "home/gt/book"]
    assert len(seen(tree, pages[:3])) == 12


def test_a_missing_path_is_left_out(tree: Path) -> None:
    (tree / "home" / "broken").symlink_to("nowhere")
    (tree / "home" / "loop").symlink_to("loop")
    assert seen(tree, ["home/missing", "home/broken", "home/loop"], ["home/run"]) == ["home/run rw"]


def test_a_relative_path_is_made_whole(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "home")
    assert binds([], [Path("run")]) == [Bind(tree / "home" / "run", tree / "home" / "run", True)]
    assert binds([Path("run/../staged")], []) == [Bind(tree / "home" / "staged", tree / "home" / "staged", False)]


def test_of_thousands_of_pages_each_is_asked_once_and_their_folders_once_for_all(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()
    is_link = os.path.islink

    def counted(path: Path) -> bool:
        asked[str(path)] += 1
        return is_link(path)

    monkeypatch.setattr(os.path, "islink", counted)
    many = tree / "many"
    many.mkdir()
    for number in range(3000):
        (many / f"{number}.png").touch()
    assert seen(tree, [f"many/{number}.png" for number in range(3000)]) == ["many"]
    assert asked[str(many / "2999.png")] == 1
    assert {path: times for path, times in asked.items() if times > 1} == {}


def test_the_command_line_shows_the_program_nothing_but_the_binds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apptainer, "program", lambda: "/usr/bin/apptainer")
    line = exec_command(
        Path("/images/kraken 7.sif"),
        ["ketos", "train", "a b"],
        binds=[Bind(Path("/data"), Path("/data"), False), Bind(Path("/runs"), Path("/here"), True)],
        environment={"TMPDIR": "/here/tmp", "N": "1"},
        folder=Path("/here/x y"),
        gpu=False,
    )
    assert line == [
        "/usr/bin/apptainer", "--quiet", "exec", "--cleanenv", "--pid", "--no-mount", "home,tmp,cwd,hostfs,bind-paths",
        "--mount", "type=bind,source=/data,destination=/data,ro", "--mount", "type=bind,source=/runs,destination=/here",
        "--pwd", "/here/x y", "/images/kraken 7.sif",
        "sh", "-c", 'trap "" USR2; exec "$@"', "sh", "env", "HOME=/here/tmp", "TMPDIR=/here/tmp", "N=1",
        "ketos", "train", "a b",
    ]  # fmt: skip


def test_the_gpus_are_given_when_asked_for() -> None:
    for gpu in (True, False):
        line = exec_command(Path("/k.sif"), ["true"], binds=[], environment={}, folder=Path("/"), gpu=gpu)
        assert ("--nv" in line) == gpu


def test_a_named_home_stays() -> None:
    line = exec_command(
        Path("/k.sif"), ["true"], binds=[], environment={"TMPDIR": "/t", "HOME": "/h"}, folder=Path("/"), gpu=False
    )
    assert in_image(line)[-4:] == ["env", "HOME=/h", "TMPDIR=/t", "true"]


@pytest.mark.parametrize(
    "name", ["a b", "a,b", 'a"b', "a'b", "a\nb", "a\r\nb", "é", "a=b", "a:b", "a\\b", " a ", "$HOME", "ro"]
)
def test_any_path_can_be_bound(name: str) -> None:
    path = Path("/data") / name
    line = exec_command(
        Path("/k.sif"), ["true"], binds=[Bind(path, path, False)], environment={}, folder=Path("/"), gpu=False
    )
    mount = line[line.index("--mount") + 1]
    (fields,) = csv.reader([mount]) if "\n" not in name else csv.reader(mount.splitlines(keepends=True))
    assert fields == ["type=bind", f"source={path}", f"destination={path}", "ro"]


def test_without_apptainer_the_command_line_names_it_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/dev/null/nowhere")
    assert (
        exec_command(Path("/k.sif"), ["true"], binds=[], environment={}, folder=Path("/"), gpu=False)[0] == "apptainer"
    )


def test_apptainer_does_not_hear_what_would_change_what_a_program_sees() -> None:
    told = {
        "PATH": "/bin",
        "HOME": "/home/u",
        "APPTAINER_CACHEDIR": "/c",
        "APPTAINER_TMPDIR": "/t",
        "APPTAINERENV": "kept",
    }
    changing = {"APPTAINERENV_PATH": "x", "SINGULARITYENV_X": "x", "APPTAINER_BIND": "/", "SINGULARITY_BINDPATH": "/",
                "APPTAINER_HOME": "/h", "APPTAINER_NV": "1", "APPTAINER_WRITABLE_TMPFS": "1"}  # fmt: skip
    assert outside(told | changing) == told


def test_the_mount_helpers_that_are_here_begin_deaf(tmp_path: Path) -> None:
    there, ours = tmp_path / "it's there", tmp_path / "ours"
    there.mkdir()
    (there / "squashfuse_ll").write_text('#!/bin/sh\nkill -TERM $$; kill -USR2 $$; echo "mounts $1"\n')
    (there / "squashfuse_ll").chmod(0o755)
    before = {"PATH": f"{there}{os.pathsep}/usr/bin{os.pathsep}/bin", "A": "b"}
    for _ in range(2):
        variables = apptainer.shielded(before, ours)
        assert variables == before | {"PATH": f"{ours}{os.pathsep}{before['PATH']}"}
        helper = shutil.which("squashfuse_ll", path=variables["PATH"])
        assert helper == str(ours / "squashfuse_ll")
        said = subprocess.run([helper, "a b"], capture_output=True, text=True)
        assert said.stdout == "mounts a b\n"


def test_a_machine_without_mount_helpers_gets_none(tmp_path: Path) -> None:
    apptainer.shielded({"PATH": "/dev/null/nowhere"}, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()
