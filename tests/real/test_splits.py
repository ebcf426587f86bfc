"""Splits of real ground truth, planned: folders left out, shared images, a learning curve. kraken is not needed; a fake says its version."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.sentences import sentences
from htr_exp.cli import start
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ConfigError
from htr_exp.pipeline.plan import Plan
from htr_exp.pipeline.sources import Sources
from htr_exp.splits.split import NAMES

FORAIS, SHARED = "dev/page-forais", "dirty/09-shared-images-generic-names"

TWINS = [
    ("foral_de_castreicao_1217/1.xml", "foral_de_torres_novas_1217/2.xml"),
    ("foral_de_castreicao_1222/1.xml", "foral_de_guarda_1222/3.xml"),
    ("foral_de_pinhel_1217/2.xml", "foral_de_trancoso_1_1217/1.xml"),
]
"""Pages of one register page in SHARED."""


@pytest.fixture
def plans(experiment: list[str], real_data: Path):
    def planned(folder: str, *words: str) -> list[Plan]:
        kept = [word for word in experiment if not word.startswith(("split.", "dataset."))]
        point = compose_experiment([*kept, f"dataset.path={real_data}/{folder}", *words])
        (made,) = start.planned([point], start.StartRequest("train", words, sweep="s", json=True), Sources(fetch=False))
        return made

    return planned


def disjoint(plan: Plan) -> None:
    """Fail if a page or an image is on two sides."""
    lists = [*(plan.split.pages[side] for side in NAMES), plan.split.unused]
    assert sorted(name for names in lists for name in names) == sorted(plan.pages)
    images = [{plan.pages[name].image_digest for name in plan.split.pages[side]} for side in NAMES]
    assert sum(map(len, images)) == len(set.union(*images))
    assert all(plan.split.pages[side] for side in NAMES)


def test_each_charter_is_left_out_once(plans) -> None:
    made = plans(FORAIS, "split=leave_one_out", "split.fold=all")
    assert len(made) == 8
    for plan in made:
        disjoint(plan)
        assert {Path(name).parts[0] for name in plan.split.pages["test"]} == {plan.experiment.split.fold}
        assert {Path(name).parts[0] for name in plan.split.pages["validation"]}.isdisjoint(
            {Path(name).parts[0] for name in plan.split.pages["train"]}
        )
    assert sorted(name for plan in made for name in plan.split.pages["test"]) == sorted(made[0].pages)


def test_pages_that_share_an_image_with_the_charter_left_out_are_not_used(plans) -> None:
    made = {str(plan.experiment.split.fold): plan for plan in plans(SHARED, "split=leave_one_out", "split.fold=all")}
    assert len(made) == 6
    for plan in made.values():
        disjoint(plan)
    for pair in TWINS:
        for here, there in (pair, pair[::-1]):
            split = made[Path(here).parts[0]].split
            assert here in split.pages["test"]
            assert split.why[there] == f"unused: shares an image with test page {here}"


@pytest.mark.parametrize("by", ["page", "folder"])
def test_shared_images_stay_on_one_side_and_that_is_said(plans, by: str) -> None:
    copies = "leakage.accept=[near_text]"  # the charter of Castreicao of 1222 repeats that of 1217
    for seed in range(5):
        (plan,) = plans(SHARED, f"split.by={by}", f"split.seed={seed}", copies)
        disjoint(plan)
        assert not plan.split.unused
        side = {name: side for side in NAMES for name in plan.split.pages[side]}
        for one, other in TWINS:
            assert side[one] == side[other]
            assert plan.split.why[one].endswith(f", beside {other}, of the same image")
        said = " ".join(warning for warning in plan.warnings if "one side" in warning)
        assert all((name if by == "page" else Path(name).parts[0]) in said for pair in TWINS for name in pair)


def test_a_list_that_separates_shared_images_is_refused(plans, workspace: Path) -> None:
    (one, other), (third, fourth), _ = TWINS
    for side, names in {"train": [one, third], "validation": [other], "test": [fourth]}.items():
        (workspace / f"{side}.txt").write_text("\n".join(names))
    lists = [f"split.lists.{side}={side}.txt" for side in NAMES]
    with pytest.raises(ConfigError) as caught:
        plans(SHARED, "split=lists", *lists)
    found = [problem for problem in sentences(caught.value) if problem.startswith("leakage: same_image")]
    said = [f"{one} (train) and {other} (validation)", f"{third} (train) and {fourth} (test)"]
    assert [all(part in problem for part in pair.split(" and ")) for pair, problem in zip(said, found)] == [True, True]
    assert "leakage.accept=[same_image]" in found[-1]


def test_a_learning_curve_over_charters_is_nested(plans) -> None:
    made = [plans(FORAIS, f"split.train_pages={count}")[0] for count in (1, 2, 4, 8)]
    train = [set(plan.split.pages["train"]) for plan in made]
    assert [len(names) for names in train] == [1, 2, 4, 8]
    assert train[0] < train[1] < train[2] < train[3]
    for plan in made:
        disjoint(plan)
        assert [plan.split.pages[side] for side in NAMES[1:]] == [made[0].split.pages[side] for side in NAMES[1:]]
