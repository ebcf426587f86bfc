"""Records made at random: whatever a file of a run folder holds, every verb that reads it ends in words, soon.

The same examples each time. HTR_EXP_FUZZ=20000 tries so many new ones per test instead.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from helpers.fuzzing import tried
from helpers.recorded_runs import make_run, tracked
from htr_exp.cli.main import main
from htr_exp.core.errors import HtrExpError
from htr_exp.pipeline.run_inputs import RunInputs
from htr_exp.runs.run_dir import RunDir
from htr_exp.tracking import run_view, subprocesses

pytestmark = pytest.mark.seconds

FILES = ("experiment.yaml", "provenance.json", "split.json", "fingerprints.json", "manifest.json", "results_manifest.json", "metrics.jsonl",
         "results.json", "predictions/test.jsonl", "live/state.json", "live/starts.jsonl", "live/krakens.jsonl", "live/jobs.jsonl",
         "live/sweeps.jsonl", "live/judgements.jsonl", "live/requeues.jsonl", "live/cancelled.json", "live/tracking.json", "live/training.json",
         "live/chosen.json", "live/places.json", "live/lock/owner.json", "live/signature", "live/log.txt", "../scorings.jsonl")  # fmt: skip
"""All that is read of a run folder, and what lies beside it."""

ODD: tuple[Any, ...] = (None, True, 0, -1, 3, 10**30, 10**400, 1e308, float("inf"), float("nan"), "", "text", "\u202e\x1b[2J\n", "x" * 100_000, "2026-13-45T99:99:99Z",
                        "\ud800", [], [[]], {}, [None], [3], {"": None}, {"a": {"b": 3}}, ["a", 3])  # fmt: skip
"""Values that no record holds at that place, or hardly."""

DEEP = "[" * 100_000
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{this}: &{this} [{', '.join([f'*{last}'] * 10)}]\n" for last, this in zip("abcdefg", "bcdefgh")
)
"""A hundred million words in a few lines."""

SHOWS = [("status",), ("compare",), ("compare", "--csv"), ("logs", "odd")]
"""What else reads records: one of them each time."""

BYTES = [b"", b"\x00", b"\xff\xfe", b"{", b"[", b"]", b'"', b"\n", b"nan", b"Infinity", b"9" * 5_000, b"\xe2\x80\xae", b"\\ud800", b": ", b"- ", b"&a ", b"*a ",
         b"!!python/object/apply:os.system [id]", b"e999999999", b"[" * 3_000, b'{"a":' * 3_000]  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with one run that is as it should be, and one whose files are to be spoilt."""
    folder = tmp_path_factory.mktemp("workspace")
    for name in ("good-0a1b2c3d", "odd-1a1b2c3d"):
        run = RunDir(tracked(make_run(folder, name, sweep="s-1"), "none"))
        run.places.write_text(json.dumps({"workspace": str(folder), "cache": str(folder / "cache"), "base_model": None,
                                          "segmentation_model": None, "pages": {"p3.xml": {"staged": "s", "sha256": "0", "image": "i"}}}))  # fmt: skip
        for name, record in {
            "krakens": {
                "version": "7.1.1",
                "kind": "host",
                "module": None,
                "modules": [],
                "image": None,
                "image_sha256": None,
                "fallback": None,
                "time": "2026-03-01T10:00:00Z",
            },
            "jobs": {"job": "12", "time": "2026-03-01T10:00:00Z", "by": "train", "slurm": {}, "packed": 1},
            "judgements": {"leakage": {}, "conventions": {}, "command": [], "time": "2026-03-01T10:00:00Z"},
            "requeues": {"job": "12"},
        }.items():
            (run.live / f"{name}.jsonl").write_text(json.dumps(record) + "\n")
        (run.live / "signature").write_text("0" * 64 + "\n")
        (run.live / "tracking.json").write_text("{}")
        (run.live / "training.json").write_text('{"ended_by": "epochs", "best_epoch": 2, "epochs": 3}')
        (run.live / "chosen.json").write_text('{"epoch": 2, "candidates": []}')
        (run.path / "fingerprints.json").write_text("{}")
    (folder / "runs" / "scorings.jsonl").write_text('{"time": "2026", "run": "odd-1a1b2c3d", "pages": []}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocesses, "record_new", lambda *args, **more: None)  # MLflow takes seconds to start
        patch.setenv("HOME", str(folder))
        patch.setenv("PATH", str(folder))  # no Slurm is asked
        yield folder


def said(*words: str) -> str:
    """What a verb says; it ends with an exit code of ours."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        assert main(list(words)) in (0, 1, 2), words
    assert "Traceback" not in out.getvalue()
    return out.getvalue()


def look(workspace: Path, name: str, content: bytes) -> None:
    """Give a file of a run these bytes, and see that all that reads it ends in words; the run beside it is still shown."""
    run = RunDir(workspace / "runs" / "odd-1a1b2c3d")
    file = run.path / name
    file.parent.mkdir(exist_ok=True)
    before = file.read_bytes() if file.exists() else None
    try:
        file.write_bytes(content)
        place = f"--workspace={workspace}"
        for verb in ("status", "compare"):
            assert "good-0a1b2c3d" in said(verb, "--json", place)
        said(*SHOWS[zlib.crc32(content) % len(SHOWS)], place)
        with contextlib.suppress(HtrExpError):
            inputs = RunInputs(run)
            inputs.experiment, inputs.split, inputs.places  # noqa: B018
        with contextlib.suppress(
            run_view.NotARunError, TypeError, AttributeError, KeyError, ValueError
        ):  # as `sync` does
            run_view.fingerprint(run.path)
            run_view.read(run.path, workspace)
    finally:
        file.unlink() if before is None else file.write_bytes(before)


@st.composite
def spoilt_bytes(
    draw: Callable[[st.SearchStrategy[Any]], Any],
) -> tuple[str, int, int, list[tuple[str, float, float, bytes]]]:
    """A file, and what is done to its bytes, at places that are parts of its length."""
    part = st.floats(0, 1)
    kinds = st.sampled_from(["insert", "cut", "end", "replace"])
    steps = st.lists(
        st.tuples(kinds, part, part, st.sampled_from(BYTES) | st.binary(max_size=6)), min_size=1, max_size=4
    )
    return draw(st.sampled_from(FILES)), 0, 0, draw(steps)


@tried(20)
@given(spoilt=spoilt_bytes())
def test_bytes(spoilt: Any, workspace: Path) -> None:
    name, _, _, steps = spoilt
    file = workspace / "runs" / "odd-1a1b2c3d" / name
    content = bytearray(file.read_bytes() if file.exists() else b"{}")
    for kind, where, width, token in steps:
        start = int(where * len(content))
        end = start + int(width * 20)
        if kind == "insert":
            content[start:start] = token
        elif kind == "cut":
            del content[start:end]
        elif kind == "end":
            del content[start:]
        else:
            content[start:end] = token
    look(workspace, name, bytes(content))


def spoil(value: Any, chance: random.Random, times: int) -> Any:
    """The value with others at some places."""
    for _ in range(times):
        value = _spoil(value, chance)
    return value


def _spoil(value: Any, chance: random.Random) -> Any:
    inner = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not inner or chance.random() < 0.25:
        return chance.choice(ODD)
    key = chance.choice(inner)
    what = chance.random()
    changed = value.copy()
    if what < 0.15:
        del changed[key]
    elif what < 0.25 and isinstance(value, dict):
        changed[chance.choice(["", "epoch", "state", "x" * 300, "\x1b"])] = chance.choice(ODD)
    else:
        changed[key] = _spoil(value[key], chance)
    return changed


@tried(30)
@given(name=st.sampled_from(FILES), seed=st.integers(0, 2**32), times=st.integers(1, 3))
def test_values(name: str, seed: int, times: int, workspace: Path) -> None:
    chance, file = random.Random(seed), workspace / "runs" / "odd-1a1b2c3d" / name
    text = file.read_text("utf-8") if file.exists() else "{}"
    if name.endswith(".yaml"):
        content = json.dumps(spoil(yaml.safe_load(text), chance, times))  # JSON is YAML
    elif name.endswith(".jsonl"):
        records = [json.loads(line) for line in text.splitlines()]
        content = "".join(json.dumps(spoil(record, chance, times)) + "\n" for record in records)
    else:
        with contextlib.suppress(ValueError):
            text = json.dumps(spoil(json.loads(text), chance, times))
        content = text
    look(workspace, name, content.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "name", ["experiment.yaml", "provenance.json", "metrics.jsonl", "live/state.json", "live/lock/owner.json"]
)
def test_what_is_nested_without_end_is_told(name: str, workspace: Path) -> None:
    look(workspace, name, DEEP.encode())
    look(workspace, name, b'{"a":' * 100_000)


def test_a_configuration_that_grows_without_end_is_told(workspace: Path) -> None:
    look(workspace, "experiment.yaml", BOMB.encode())
