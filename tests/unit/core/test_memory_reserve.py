"""What is kept back of the memory is there when it is full."""

from __future__ import annotations

import mmap

import pytest

from htr_exp.core import memory_reserve
from htr_exp.core.errors import of_memory
from htr_exp.core.memory_reserve import RESERVE_BYTES, keep_memory_back


@pytest.fixture
def kept() -> mmap.mmap:
    memory_reserve.give_memory_back()
    keep_memory_back()
    (found,) = memory_reserve._kept
    assert len(found) == RESERVE_BYTES
    return found


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("libgomp.so.1: failed to map segment from shared object"),
        SystemError("error return without exception set"),
    ],
)
def test_where_memory_lacks_it_is_given_back(kept: mmap.mmap, error: Exception) -> None:
    assert of_memory(error).what == "memory"
    assert kept.closed


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), SystemError("bad argument"), ValueError("7")]
)
def test_any_other_error_leaves_it(kept: mmap.mmap, error: Exception) -> None:
    assert of_memory(error) is None
    assert not kept.closed


def test_it_is_kept_once(kept: mmap.mmap) -> None:
    keep_memory_back()
    assert memory_reserve._kept == [kept]
