"""Records that are only added: whoever edits, removes or adds one by hand is found, and a kill is not taken for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from htr_exp.core.files import read_jsonl, write_atomically, write_json
from htr_exp.runs import sealed_records


class Killed(BaseException):
    pass


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    for number in range(3):
        sealed_records.append(path, {"number": number})
        assert not sealed_records.changed(path)
    return path


def numbers(path: Path) -> list[int]:
    return [record["number"] for record in read_jsonl(path)]


def edit(path: Path, how: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    if how == "an edited record":
        path.write_text("".join(lines).replace("1", "7"))
    elif how == "the last record removed":
        path.write_text("".join(lines[:-1]))
    elif how == "all records removed":
        path.write_text("")
    elif how == "the file removed":
        path.unlink()
    elif how == "a record added":
        path.write_text("".join([*lines, '{"number": 3}\n']))
    elif how == "the seal removed":
        sealed_records.seal_of(path).unlink()
    else:
        sealed_records.seal_of(path).write_text(how)


EDITS = [
    "an edited record", "the last record removed", "all records removed", "the file removed", "a record added", "the seal removed",
    "", "{}", "[]", "not JSON",
]  # fmt: skip


@pytest.mark.parametrize("how", EDITS)
def test_an_edit_is_found_and_stays_said(records: Path, how: str) -> None:
    edit(records, how)
    assert sealed_records.changed(records)
    before = numbers(records) if records.exists() else []
    sealed_records.append(records, {"number": 8})
    assert numbers(records) == [*before, 8]
    assert sealed_records.changed(records)


def test_nothing_is_as_it_was_where_nothing_was_written(tmp_path: Path) -> None:
    assert not sealed_records.changed(tmp_path / "none.jsonl")


@pytest.mark.parametrize("moment", [1, 2, 3], ids=["before the seal", "before the file", "before the last seal"])
def test_a_process_that_is_killed_while_it_adds_leaves_a_good_file(
    records: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    written = []

    def dying(write: Callable[[Path, Any], None]) -> Callable[[Path, Any], None]:
        def one(path: Path, content: Any) -> None:
            written.append(path)
            if len(written) == moment:
                raise Killed
            write(path, content)

        return one

    monkeypatch.setattr(sealed_records, "write_json", dying(write_json))
    monkeypatch.setattr(sealed_records, "write_atomically", dying(write_atomically))
    with pytest.raises(Killed):
        sealed_records.append(records, {"number": 3})
    monkeypatch.undo()
    assert not sealed_records.changed(records)
    sealed_records.append(records, {"number": 4})
    assert not sealed_records.changed(records)
    assert numbers(records) == [0, 1, 2, *[3] * (moment == 3), 4]
    assert len(json.loads(sealed_records.seal_of(records).read_text())) == 1
