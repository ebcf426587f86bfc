from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.sentences import sentences
from htr_exp.config import defaults
from htr_exp.config.schema import Training
from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.core.task import RECOGNITION
from htr_exp.kraken.commands import compile_command, predict_command, train_command
from htr_exp.kraken.model_file import ModelHeader
from htr_exp.kraken.options import problems, remarks
from htr_exp.kraken.releases import release, unloadable

OLD, NEW = "4.3.13", "7.1.1"


@pytest.fixture(scope="module")
def shipped() -> Training:
    return replace(defaults.shipped().training, lrate=0.003)


def trained(version: str, training: Training, **changes: Any) -> list[str]:
    words: dict[str, Any] = {
        "device": "cpu", "workers": "0", "seed": 1, "train": "T", "validation": "V", "output": "O", "base": "B", "spec": None,
    }  # fmt: skip
    return train_command(version, training, **words | changes)


def value(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


@pytest.mark.parametrize("version", ["5.3.0", "6.0.3", "4.3.12", "4.4.0", "7.0.1", "7.2.0", "8.0.0", "none"])
def test_a_version_between_the_supported_ones_is_refused_by_name(version: str) -> None:
    with pytest.raises(
        RuntimeUnavailableError, match=rf"kraken {version} is not supported: supported are 4.3.13 and 7.1.x"
    ):
        release(version)


def test_what_belongs_to_the_group_or_to_the_subcommand_stands_there(shipped: Training) -> None:
    old, new = trained(OLD, shipped), trained(NEW, shipped)
    for option in ("-d", "--workers", "--precision"):
        assert old.index(option) > old.index("train")
        assert new.index(option) < new.index("train")
    for argv in (old, new):
        assert argv.index("-s") < argv.index("train")
        assert argv.index("--no-deterministic") < argv.index("train")


def test_the_older_release_gets_no_option_that_it_does_not_know(shipped: Training) -> None:
    unknown = {"--threads", "--gradient-clip-val", "--accumulate-grad-batches", "--cos-min-lr", "--weights-format"}
    assert not unknown & set(trained(OLD, shipped))
    assert unknown <= set(trained(NEW, shipped))


def test_optimiser_and_clipping_are_written_out_since_the_releases_defaults_differ(shipped: Training) -> None:
    assert value(trained(OLD, shipped), "--optimizer") == value(trained(NEW, shipped), "--optimizer") == "Adam"
    assert value(trained(NEW, shipped), "--gradient-clip-val") == "1.0"
    assert value(trained(NEW, replace(shipped, gradient_clip_val=0.0)), "--gradient-clip-val") == "0.0"


def test_words_are_those_of_the_release(shipped: Training) -> None:
    fixed = replace(shipped, quit="fixed", epochs=7, precision="bf16-mixed")
    assert [value(trained(version, fixed), "-q") for version in (OLD, NEW)] == ["dumb", "fixed"]
    assert [value(trained(version, fixed), "--precision") for version in (OLD, NEW)] == ["bf16", "bf16-mixed"]
    assert value(trained(OLD, fixed), "-N") == "7"


def test_a_fixed_training_always_has_an_end(shipped: Training) -> None:
    """Without -N, 4.3.13's `-q dumb` goes on for ever."""
    assert value(trained(OLD, replace(shipped, quit="fixed", epochs=50)), "-N") == "50"


def test_a_warm_restart_does_what_is_left_and_changes_no_alphabet(shipped: Training) -> None:
    fixed = trained(OLD, replace(shipped, quit="fixed", epochs=50), base="m_11.mlmodel", done=12)
    assert (value(fixed, "-N"), value(fixed, "-i"), value(fixed, "--resize")) == ("38", "m_11.mlmodel", "fail")
    early = trained(OLD, replace(shipped, min_epochs=20), done=12)
    assert value(early, "--min-epochs") == "8"


def test_it_compiles_with_one_worker_in_both(shipped: Training) -> None:
    old = compile_command(OLD, pages="P", output="O", legacy_polygons=False)
    new = compile_command(NEW, pages="P", output="O", legacy_polygons=True)
    assert old == ["ketos", "compile", "--workers", "1", "-f", "page", "-o", "O", "-F", "P"]
    assert new == ["ketos", "--workers", "0", "compile", "-f", "page", "-o", "O", "-F", "P", "--legacy-polygons"]


def test_it_recognises_one_line_at_a_time_without_reordering() -> None:
    words: dict[str, Any] = {
        "pages": [("p.xml", "p.jsonl")], "model": "M", "template": "T", "device": "cpu", "precision": "32-true", "threads": 1, "pad": 16,
    }  # fmt: skip
    for version in (OLD, NEW):
        argv = predict_command(version, **words)
        assert argv[0] == "kraken"
        assert "--no-reorder" in argv
        assert value(argv, "-i") == "p.xml"
    assert "-B" not in predict_command(OLD, **words)  # it knows no batches


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"optimizer": "AdamW"}, "training.optimizer=AdamW: kraken 4.3.13 cannot do that, 7.1.x can; use Adam, SGD, RMSprop"),
    ({"gradient_clip_val": 1.0}, "training.gradient_clip_val=1: kraken 4.3.13 cannot do that, 7.1.x can; with this one it must be training.gradient_clip_val=0"),
    ({"accumulate_grad_batches": 4}, "training.accumulate_grad_batches=4: kraken 4.3.13 cannot do that, 7.1.x can; with this one it must be training.accumulate_grad_batches=1"),
    ({"schedule": "cosine"}, "training.schedule=cosine: kraken 4.3.13 cannot do that, 7.1.x can; use constant, 1cycle, exponential, step, reduceonplateau"),
    ({"legacy_polygons": True}, "training.legacy_polygons=true: kraken 4.3.13 cannot do that, 7.1.x can; with this one it must be training.legacy_polygons=false"),
    ({"precision": "16-true"}, "training.precision=16-true: kraken 4.3.13 cannot do that, 7.1.x can; use 32-true, 64-true, 16-mixed, bf16-mixed"),
    ({"exact": True}, "training.exact=true: kraken 4.3.13 cannot do that, 7.1.x can: its models do not hold the state of the optimiser; use training.exact=false, or a runtime with kraken 7.1"),
    ({"threads": 4}, "training.threads=4: kraken 4.3.13 cannot do that, 7.1.x can; with this one it must be training.threads=1"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), REFUSED, ids=[next(iter(changes)) for changes, _ in REFUSED])
def test_what_a_release_lacks_or_ignores_is_refused_with_the_one_that_can(
    shipped: Training, changes: dict[str, Any], said: str
) -> None:
    changed = replace(shipped, **changes)
    assert sentences(problems(changed, 1, OLD)) == [said]
    assert list(problems(changed, 1, NEW)) == []


def test_the_shipped_recipe_is_one_for_both(shipped: Training) -> None:
    assert [*problems(shipped, 1, OLD), *problems(shipped, 1, NEW)] == []


def test_a_seed_that_is_none_is_refused(shipped: Training) -> None:
    (said,) = sentences(problems(shipped, 0, OLD))
    assert said == "seed=0: kraken 4.3.13 takes it for no seed at all; use another"
    assert list(problems(shipped, 0, NEW)) == []


def test_the_record_says_what_a_release_does_otherwise(shipped: Training) -> None:
    assert remarks(shipped, NEW) == []
    plain = " ".join(remarks(shipped, OLD))
    assert "warm one" in plain
    assert "never clipped" in plain
    assert "augmented" not in plain
    more = " ".join(remarks(replace(shipped, augment=True, schedule="step", precision="bf16-mixed"), OLD))
    assert "validation lines are augmented, too" in more
    assert "begin anew at a restart" in more
    assert "32-bit" in more


def header(**changes: Any) -> ModelHeader:
    values: dict[str, Any] = {
        "file": Path("m.mlmodel"), "format": "coreml", "kind": RECOGNITION, "alphabet": ("a",), "network": "[1,48,0,1 Lbx10]",
        "line_type": "baselines", "one_channel_mode": "L", "legacy_polygons": False, "metadata": {},
    }  # fmt: skip
    return ModelHeader(**values | changes)


def test_models_move_between_the_releases_as_mlmodel() -> None:
    assert unloadable(header(), OLD) is None
    assert unloadable(header(), NEW) is None
    assert unloadable(header(format="safetensors"), NEW) is None


def test_a_model_that_is_too_new_is_refused() -> None:
    said = unloadable(header(format="safetensors"), OLD)
    assert said is not None
    assert "ketos convert -o NEW.mlmodel --weights-format coreml" in said
    assert "ppocrv6" in str(unloadable(header(network="ppocrv6"), OLD))
    said = unloadable(header(metadata={"_kraken_min_version": "7.2.0"}), NEW)
    assert said is not None
    assert said.startswith("it needs kraken 7.2.0 or newer")
    assert unloadable(header(metadata={"_kraken_min_version": "5.0"}), NEW) is None
