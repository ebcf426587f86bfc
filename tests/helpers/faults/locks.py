"""Locks of others in a run folder, before it is started and while it works."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from helpers.faults.scene import Scene
from htr_exp.core.lock import STALE_S, Owner

ELSEWHERE: dict[str, Any] = {"host": "elsewhere", "machine": "1", "boot": "0c9f3a3e-0000-4000-8000-000000000000"}
GONE: dict[str, Any] = {"started": 0.5}


def _sign(folder: Path, *, age_s: float = 0.0, **values: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    signed = folder / "owner.json"
    signed.write_text(json.dumps(asdict(Owner.this_process()) | values))
    then = time.time() - age_s
    os.utime(signed, (then, then))


def _signed(scene: Scene, *, age_s: float = 0.0, **values: Any) -> None:
    shutil.rmtree(scene.run.lock, ignore_errors=True)
    _sign(scene.run.lock, age_s=age_s, **values)
    scene.put_right.append(lambda: shutil.rmtree(scene.run.lock, ignore_errors=True))


def _empty(scene: Scene) -> None:
    shutil.rmtree(scene.run.lock, ignore_errors=True)
    scene.run.lock.mkdir()


def _rubbish(scene: Scene) -> None:
    _empty(scene)
    (scene.run.lock / "owner.json").write_bytes(b"\x00\xff{")


def _a_file(scene: Scene) -> None:
    shutil.rmtree(scene.run.lock, ignore_errors=True)
    scene.run.lock.write_text("")


def _half_made(scene: Scene) -> None:
    _sign(scene.run.lock.with_name("lock.new-0"), **GONE)
    (scene.run.lock.with_name("lock.gone-1-1")).mkdir(exist_ok=True)


def _removed(scene: Scene) -> None:
    shutil.rmtree(scene.run.lock)


LIVING = "a living process has the lock"
BETWEEN: dict[str, Callable[[Scene], None]] = {
    LIVING: _signed,
    "a process that ended has the lock": partial(_signed, **GONE),
    "a machine that is silent for long has the lock": partial(_signed, age_s=STALE_S + 60, **ELSEWHERE),
    "the lock is empty": _empty,
    "the lock holds rubbish": _rubbish,
    "the lock is a file": _a_file,
    "a lock is half made": _half_made,
}
UNDER_WAY: dict[str, Callable[[Scene], None]] = {
    "another machine takes the lock": partial(_signed, **ELSEWHERE),
    "somebody removes the lock": _removed,
}
