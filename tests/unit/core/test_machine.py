from __future__ import annotations

import getpass
import os
import pwd
from pathlib import Path

import pytest

from helpers.findings import program
from htr_exp.core import machine
from htr_exp.core.errors import RuntimeUnavailableError


def test_the_user_is_named_by_the_system_where_the_environment_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda number: pwd.struct_passwd(("ada", "x", number, 1, "", "/", "/bin/sh")))
    assert machine.user() == "ada"


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(number: int) -> pwd.struct_passwd:
        raise KeyError(number)

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert machine.user() == str(os.getuid())


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("says", "device"),
    [
        ("echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'; echo '  MIG 1g.18gb Device 0: (UUID: MIG-1)'", "cuda:0"),
        ("echo 'No devices were found'", "cpu"),
        ("echo 'Failed to initialize NVML'; exit 18", "cpu"),
    ],
)
def test_auto_is_a_gpu_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, device: str
) -> None:
    monkeypatch.setenv("PATH", f"{program(tmp_path, 'nvidia-smi', says).parent}:{os.environ['PATH']}")
    assert machine.device("auto") == device
    assert len(machine.gpus()) == (2 if device == "cuda:0" else 0)


@pytest.mark.seconds
def test_a_driver_that_hangs_does_not_send_a_training_to_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{program(tmp_path, 'nvidia-smi', 'sleep 600').parent}:{os.environ['PATH']}")
    monkeypatch.setattr(machine, "GPU_TIMEOUT_S", 0.3)
    with pytest.raises(
        RuntimeUnavailableError, match=r"nvidia-smi does not answer within 0\.3 s.*training\.device=cpu"
    ):
        machine.device("auto")


def test_an_account_without_a_name_and_a_home_has_both(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    machine.settle_home()
    assert (Path.home(), getpass.getuser()) == (Path("/"), str(os.getuid()))
    assert Path("~/x").expanduser() == Path("/x")


def test_a_home_that_is_set_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    machine.settle_home()
    assert Path.home() == tmp_path
