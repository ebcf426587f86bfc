from __future__ import annotations

import json

from htr_exp.core.run_state import RunState

UNDER_WAY = {"queued", "running"}


def test_a_state_is_its_word_wherever_it_is_written() -> None:
    state = RunState("timed_out")
    assert (str(state), f"{state}", f"{state:>10}", json.dumps(state)) == ("timed_out", "timed_out", " timed_out", '"timed_out"')  # fmt: skip


def test_what_follows_from_a_state() -> None:
    assert {state for state in RunState if not state.is_ended} == UNDER_WAY
    assert {state for state in RunState if not state.is_settled} == UNDER_WAY | {"interrupted"}
    assert {state for state in RunState if not state.can_submit} == {"running", "done"}
    assert {state for state in RunState if state.is_failure} == {"failed", "timed_out"}
    assert {state for state in RunState if state.has_scores} == {"done", "stopped"}
