"""Numbers that no experiment can have: words, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_exp.config.compose import compose_experiment
from htr_exp.config.overrides import FARTHEST
from htr_exp.core.errors import ConfigError

DIGITS = "9" * 5_000


@pytest.mark.seconds
@pytest.mark.parametrize("number", [DIGITS, f"-{DIGITS}", f"[1,{DIGITS}]", f"0.{DIGITS}", f"1e{DIGITS}", f"'{DIGITS}'"])
@pytest.mark.parametrize("key", ["seed", "training.lrate", "slurm.time_min", "name", "hydra.job.num", "nothing"])
def test_a_number_without_an_end_is_refused_with_its_key(key: str, number: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose_experiment([f"{key}={number}", "training.epochs=3"])
    assert [str(one) for one in refused.value.problems] == [f"{key}: it has a number of more than 1000 digits"]


@pytest.mark.seconds
@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400"])
def test_what_is_no_finite_number_is_refused(number: str) -> None:
    """A comparison with NaN is false, so that no rule about what is too small or too large caught it."""
    with pytest.raises(ConfigError) as refused:
        compose_experiment([f"training.lrate={number}", f"split.test={number}", "dataset.path=[x]"])
    said = [str(one) for one in refused.value.problems]
    assert len(said) == 2
    assert all("it must be a finite number" in one for one in said)


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("number", "usable"), [(FARTHEST, True), (FARTHEST + 1, False), (-FARTHEST - 1, False), (10**400, False)]
)
def test_numbers_end_where_other_programs_read_others(number: int, usable: bool) -> None:
    words = [f"seed={number}", "dataset.path=[x]"]
    if usable:
        assert compose_experiment(words).experiment.seed == number
        return
    with pytest.raises(ConfigError, match="must be at most"):
        compose_experiment(words)


@pytest.mark.seconds
def test_a_file_with_such_a_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "odd.yaml").write_text(f"path: [x]\nname: {DIGITS}\n")
    with pytest.raises(ConfigError):
        compose_experiment(["dataset=odd"], [tmp_path])
