from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.sentences import sentences
from htr_exp.config import choices
from htr_exp.config.choices import overlays
from htr_exp.config.compose import Composed, compose_experiment, compose_sweep, slurm_settings
from htr_exp.core.errors import ConfigError

HOSTILE = [
    "a folder/with spaces",
    "key=value",
    "a,b",
    "[draft] Odo (1), fol. 2",
    "{braces}",
    "it's",
    '"quoted" in part',
    "'half",
    "${HOME}",
    r"C:\pages\new",
    r"ends in a backslash" + "\\",
    r"\'",
    r"\${b}",
    r"\\${b}",
    "$HOME",
    "~/pages",
    "100%",
    "#1",
    " spaces around ",
    "ſanctus: Ꝑ\u0303",
    "1e3",
    "true",
    "007",
]


def refusal(*words: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compose_experiment(words)
    return sentences(caught.value)


def swept(*words: str, folders: tuple[Path, ...] = ()) -> list[Composed]:
    found: list[Composed] = []

    def launch(points: list[Composed]) -> list[Any]:
        found.extend(points)
        return [None] * len(points)

    compose_sweep(words, launch, folders)
    return found


@pytest.mark.parametrize("path", HOSTILE)
def test_paths_are_taken_as_typed(path: str, workspace: Path) -> None:
    experiment = compose_experiment([f"model.path={path}", f"dataset.path={path}", f"split.table={path}"]).experiment
    assert (experiment.model.path, experiment.dataset.path, experiment.split.table) == (path, path, path)


@pytest.mark.parametrize("name", ["a=b", "a, b", "it's [1]", "${x}", "2024"])
def test_names_are_taken_as_typed(name: str, workspace: Path) -> None:
    composed = compose_experiment([f"name={name}", f"question={name}", f"dataset.name={name}"])
    assert (composed.experiment.name, composed.experiment.question, composed.values["dataset"]["name"]) == (name,) * 3


def test_vgsl_is_taken_as_typed(workspace: Path) -> None:
    spec = "[1,48,0,1 Cr3,3,16 Mp2,2 S1(1x12)1,3 Lbx100 Do0.1,2]"
    assert compose_experiment(["model=none", f"architecture.spec={spec}"]).experiment.architecture.spec == spec
    assert [point.experiment.architecture.spec for point in swept(f"architecture.spec={spec}", "seed=1,2")] == [
        spec
    ] * 2


def test_quotes_around_a_value_are_hydras(workspace: Path) -> None:
    assert compose_experiment(["name='a b'"]).experiment.name == "a b"


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("[a b,c=d]", ["a b", "c=d"]),
        ("[one]", ["one"]),
        ("[a, it's]", ["a", "it's"]),
        ("[${x},y]", ["${x}", "y"]),
        ("['a, b',c]", ["a, b", "c"]),
    ],
)
def test_several_folders_are_a_list(typed: str, path: list[str], workspace: Path) -> None:
    assert compose_experiment([f"dataset.path={typed}"]).experiment.dataset.path == path


def test_an_existing_folder_is_no_list_and_no_sweep(workspace: Path) -> None:
    for name in ("[a,b]", "c,d"):
        (workspace / name).mkdir()
    assert compose_experiment(["dataset.path=[a,b]"]).experiment.dataset.path == "[a,b]"
    assert [point.experiment.dataset.path for point in swept("dataset.path=c,d")] == ["c,d"]


def test_null_unsets_a_path(workspace: Path) -> None:
    assert compose_experiment(["model=blla", "model.path=null"]).experiment.model.path is None


BAD = [
    ("dataset=dmeo", "dataset=dmeo: there is no such dataset", "did you mean demo?"),
    ("modle=none", "there is no key `modle`", "did you mean model?"),
    ("trainning.lrate=1", "there is no key `trainning`", "did you mean training?"),
    ("training.lrates=1", "there is no key `lrates` in training", "did you mean lrate?"),
    ("training.lrate.x=1", "training.lrate has no keys of its own", ""),
    ("training.lrate=fast", "training.lrate=fast", "could not be converted to Float"),
    ("seed=1.5", "seed=1.5", "Integer"),
    ("training.augment=perhaps", "training.augment=perhaps", "bool"),
    (
        "training.schedule=cosinus",
        "training.schedule=cosinus: there is no such choice; choose one of constant",
        "did you mean cosine?",
    ),
    ("task.name=reading", "task.name=reading: there is no such choice; choose one of recognition", ""),
    ("split.lists=a.txt", "split.lists has keys: split.lists.train", "split.lists.test"),
    ("training.lrate", "training.lrate", "write KEY=VALUE"),
    ("seed=[1", "seed=[1", "write KEY=VALUE"),
    ("seed=1,2", "seed=1,2: several values make a sweep", "train -m"),
    ("+seed=1", "keys are neither added nor removed here", "write seed=1"),
    ("++trainig.lrate=1", "there is no key `trainig`", "did you mean training?"),
    ("~seed", "keys are neither added nor removed here", "write seed=VALUE"),
]


@pytest.mark.parametrize(("word", "said", "help_"), BAD)
def test_a_bad_word_is_named_with_what_to_do(word: str, said: str, help_: str, workspace: Path) -> None:
    (problem,) = refusal(word)
    assert said in problem
    assert help_ in problem


def test_all_bad_words_are_named_at_once(workspace: Path) -> None:
    words = [word for word, *_ in BAD]
    problems = refusal("dataset=demo", *words, "model=none")
    assert len(problems) == len(words)
    assert all(said in problem for problem, (_, said, _) in zip(problems, BAD))


def test_bad_values_of_a_sweep_are_named_at_once(workspace: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        swept("training.lrate=1e-3,fast,slow", "seed=1,x", "dataset=demo,dmeo")
    assert [problem.partition(":")[0] for problem in sentences(caught.value)] == [
        "training.lrate=fast", "training.lrate=slow", "seed=x", "dataset=dmeo",
    ]  # fmt: skip


def test_an_interpolation_that_leads_nowhere_is_an_error(workspace: Path) -> None:
    assert "nowhere" in refusal("seed=${nowhere}")[0]
    with pytest.raises(ConfigError, match="nowhere"):
        swept("seed=1,${nowhere}")


def test_a_sweep_expands_every_combination(workspace: Path) -> None:
    points = swept("dataset=demo", "training.lrate=1e-3,1e-4", "seed=range(1,4)", "split=by_page")
    assert [(point.experiment.training.lrate, point.experiment.seed) for point in points] == [
        (lrate, seed) for lrate in (1e-3, 1e-4) for seed in (1, 2, 3)
    ]
    assert all("hydra" not in point.values for point in points)


def test_a_sweep_over_choices_composes_each(workspace: Path) -> None:
    points = swept("model=none", "architecture=small,guide", "training.epochs=3")
    assert [point.experiment.architecture.name for point in points] == ["small", "guide"]
    assert [point.experiment.training.epochs for point in points] == [3, 3]


def test_points_of_a_sweep_are_what_each_would_be_alone(workspace: Path) -> None:
    words = ["dataset=demo", "model=none", "site.workspace=elsewhere"]
    points = swept(*words, "architecture=small,guide", "seed=1,2")
    alone = [
        compose_experiment([*words, f"architecture={architecture}", f"seed={seed}"]).values
        for architecture in ("small", "guide")
        for seed in (1, 2)
    ]
    assert [point.values for point in points] == alone


def test_a_sweep_over_paths_takes_each_as_typed(workspace: Path) -> None:
    paths = [point.experiment.model.path for point in swept("model.path=a=1.mlmodel,it's.mlmodel")]
    assert paths == ["a=1.mlmodel", "it's.mlmodel"]


def test_an_experiment_of_many_points_needs_a_sweep(workspace: Path) -> None:
    (problem,) = refusal("experiment=learning_rate", "dataset=demo")
    assert "training.lrate" in problem
    assert "train -m" in problem
    assert len(swept("experiment=learning_rate", "dataset=demo")) == 6


@pytest.mark.parametrize(
    ("words", "points", "test"),
    [
        (["replicates", "model=demo"], 5, "each_run"),
        (["placebo", "model=demo"], 10, "each_run"),
        (["learning_curve", "model=demo", "split.train_pages=1,2", "seed=1,2"], 4, "each_run"),
        (["base_models"], 2, "final"),
        (["architectures", "seed=1"], 3, "final"),
        (["strategies", "model=demo", "seed=1"], 4, "final"),
        (["leave_one_out", "model=demo"], 1, "each_run"),  # the plan makes one of each fold
        (["replicates", "model=demo", "seed=7,8", "scores.test=final"], 2, "final"),
    ],
)
def test_an_experiment_has_its_points_and_a_typed_word_replaces_its_own(
    words: list[str], points: int, test: str, workspace: Path
) -> None:
    found = swept(f"experiment={words[0]}", "dataset=demo", *words[1:])
    assert len(found) == points
    assert {(one.experiment.question, one.experiment.scores.test) for one in found} == {(words[0], test)}
    assert {one.experiment.split.kind for one in found} == {"leave_one_out" if words[0] == "leave_one_out" else "drawn"}


def test_a_file_is_not_called_by_the_names_of_the_models_of_an_experiment(workspace: Path) -> None:
    words = ["experiment=cross", "dataset=demo", "split=by_page", "model.path=one.mlmodel,two.mlmodel"]
    with pytest.raises(ConfigError) as caught:
        swept(*words)
    for file, said in zip(("one", "two"), sentences(caught.value)):
        assert f"model.path={file}.mlmodel is called catmus_medieval and tridis by turns" in said
        assert "add model=file" in said
    assert [one.experiment.model.name for one in swept(*words, "model=file")] == [None, None]
    assert len(swept("experiment=cross", "dataset=demo", "split=by_page")) == 2


def test_the_record_keeps_no_hydra_and_no_interpolation(workspace: Path) -> None:
    values = compose_experiment(["dataset=odalricus", "site.workspace=w"]).values
    assert "hydra" not in values
    assert values["dataset"]["path"] == "w/ground_truth/Odalricus"


def overlay(folder: Path, path: str = "here") -> Path:
    (folder / "dataset").mkdir(parents=True)
    (folder / "dataset" / "mine.yaml").write_text(f"# Mine.\ndefaults: [folder]\nname: mine\npath: {path}\n")
    return folder


def test_conf_of_the_folder_one_stands_in_is_found(workspace: Path) -> None:
    overlay(workspace / "conf")
    assert compose_experiment(["dataset=mine"], overlays()).experiment.dataset.path == "here"
    assert choices.options(overlays())["dataset"]["mine"] == "Mine."


def test_a_conf_of_another_hydra_program_is_left_alone(workspace: Path) -> None:
    overlay(workspace / "conf")
    (workspace / "conf" / "config.yaml").write_text("defaults: []\n")
    assert overlays() == []


def test_config_dir_is_stronger_than_conf_and_than_what_is_shipped(workspace: Path) -> None:
    overlay(workspace / "conf", "weak")
    given = overlay(workspace / "given", "strong")
    (workspace / "conf" / "dataset" / "mine.yaml").write_text("# Weak.\ndefaults: [folder]\npath: weak\n")
    (given / "architecture").mkdir()
    (given / "architecture" / "small.yaml").write_text("# Ours.\nname: ours\nspec: '[1,8,0,1 Cr3,3,4]'\n")
    folders = overlays(str(given))
    experiment = compose_experiment(["dataset=mine", "architecture=small"], folders).experiment
    assert (experiment.dataset.path, experiment.architecture.name) == ("strong", "ours")
    said = choices.options(folders)
    assert (said["architecture"]["small"], said["dataset"]["mine"]) == ("Ours.", "Mine.")
    points = swept("dataset=mine", "architecture=small", "seed=1,2", folders=tuple(folders))
    assert [point.experiment.dataset.path for point in points] == ["strong", "strong"]


def test_overlays_do_not_outlive_their_composition(workspace: Path) -> None:
    given = overlay(workspace / "given")
    compose_experiment(["dataset=mine"], overlays(str(given)))
    assert "there is no such dataset" in refusal("dataset=mine")[0]


def test_a_config_dir_that_is_none_is_refused(workspace: Path) -> None:
    with pytest.raises(ConfigError, match="--config-dir nowhere: there is no such folder"):
        overlays("nowhere")
    (overlay(workspace / "given") / "config.yaml").write_text("a: 1\n")
    with pytest.raises(ConfigError, match=r"holds a config\.yaml"):
        overlays("given")


def test_a_broken_file_of_the_user_is_an_error_in_words(workspace: Path) -> None:
    overlay(workspace / "conf")
    (workspace / "conf" / "dataset" / "mine.yaml").write_text("# Mine.\npath: [a\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml:3: expected"):
        compose_experiment(["dataset=mine"], overlays())
    (workspace / "conf" / "dataset" / "mine.yaml").write_text("# Mine.\ndefaults: [folder]\npth: a\n")
    with pytest.raises(ConfigError, match="pth"):
        compose_experiment(["dataset=mine"], overlays())
    (workspace / "conf" / "dataset" / "mine.yaml").write_bytes("# Mine.\nname: ſ".encode("utf-16"))
    with pytest.raises(ConfigError, match="dataset=mine"):
        compose_experiment(["dataset=mine"], overlays())


def test_a_file_of_the_user_may_have_a_bom_and_crlf(workspace: Path) -> None:
    file = overlay(workspace / "conf") / "dataset" / "mine.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert compose_experiment(["dataset=mine"], overlays()).experiment.dataset.name == "mine"
    assert choices.options(overlays())["dataset"]["mine"] == "Mine."


def test_composing_leaves_nothing_behind(workspace: Path) -> None:
    compose_experiment(["dataset=demo"])
    swept("dataset=demo", "seed=1,2")
    assert list(workspace.iterdir()) == []


def test_words_of_sbatch_are_taken_as_typed(workspace: Path) -> None:
    words = [
        "slurm.mail_type=END,FAIL",
        "slurm.nodelist=gpu[1-3],gpu7",
        "slurm.gres=gpu:a100:1",
        "slurm.partition=publicgpu",
    ]
    for composed in (compose_experiment([*words, "slurm=publicgpu"]), *swept("slurm=publicgpu", "seed=1,2", *words)):
        slurm = composed.experiment.slurm
        assert (slurm.mail_type, slurm.nodelist) == ("END,FAIL", "gpu[1-3],gpu7")
        assert (slurm.gres, slurm.partition) == ("gpu:a100:1", "publicgpu")


def test_a_sweep_over_partitions_is_one(workspace: Path) -> None:
    points = swept("slurm=publicgpu", "slurm.partition=publicgpu,grantgpu")
    assert [point.experiment.slurm.partition for point in points] == ["publicgpu", "grantgpu"]


def test_sbatch_has_more_options_than_we_name(workspace: Path) -> None:
    composed = compose_experiment(
        ["slurm=publicgpu", "slurm.extra.reservation=my=project", "slurm.extra.hold=true", "slurm.extra.mem-per-cpu=2G"]
    )
    assert composed.experiment.slurm.extra == {"reservation": "my=project", "hold": True, "mem-per-cpu": "2G"}


def test_settings_of_a_job_are_changed_key_by_key(workspace: Path) -> None:
    known = compose_experiment(["slurm=publicgpu", "slurm.mem_gb=3"]).experiment.slurm
    assert slurm_settings(known, ()) is known
    changed = slurm_settings(known, ["slurm.time_min=600", "slurm.extra.comment=again"])
    assert (changed.time_min, changed.extra) == (600, {"comment": "again"})
    assert (changed.mem_gb, changed.partition) == (3, "publicgpu")
    assert slurm_settings(known, ["slurm=grantgpu"]).partition == "grantgpu"
    assert not slurm_settings(known, ["slurm=none"]).submit
    assert slurm_settings(known, ["slurm.partition=grantgpu"]).time_min == 300


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("slurm.time=5", "there is no key `time` in slurm"),
        ("slurm.time_min=soon", "slurm.time_min=soon"),
        ("slurm=elsewhere", "there is no such slurm"),
    ],
)
def test_settings_of_a_job_that_cannot_be_are_refused(word: str, said: str, workspace: Path) -> None:
    known = compose_experiment(["slurm=publicgpu"]).experiment.slurm
    with pytest.raises(ConfigError) as refused:
        slurm_settings(known, [word])
    assert said in sentences(refused.value)[0]


def test_settings_of_a_run_that_was_not_submitted_need_a_choice(workspace: Path) -> None:
    known = compose_experiment([]).experiment.slurm
    with pytest.raises(ConfigError) as refused:
        slurm_settings(known, ["slurm.time_min=5"])
    assert sentences(refused.value) == ["slurm.time_min=5: the run was not submitted; add slurm=CHOICE"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["model=none"], "kraken_default"),
        (["model=none", "architecture=small"], "small"),
        (["model=none", "architecture.spec=[1,48,0,1 Cr3,3,16 Lbx64]"], None),
        (["model=none", "architecture=own"], "own"),
        (["model=none", "architecture=own", "architecture.spec=[1,48,0,1 Cr3,3,16 Lbx64]"], None),
        (["model=none", "architecture.spec=[1,48,0,1 Cr3,3,16 Lbx64]", "architecture.name=mine"], "mine"),
    ],
)
def test_a_network_that_was_typed_is_not_called_by_the_name_of_another(
    words: list[str], name: str | None, workspace: Path
) -> None:
    own = workspace / "own" / "architecture"
    own.mkdir(parents=True)
    (own / "own.yaml").write_text('# Mine.\nname: own\ntask: recognition\nspec: "[1,60,0,1 Cr3,3,16 Lbx32]"\n')
    composed = compose_experiment([*words, "dataset.path=pages"], [own.parent])
    assert composed.experiment.architecture.name == composed.values["architecture"]["name"] == name
