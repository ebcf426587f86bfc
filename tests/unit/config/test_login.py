"""How the site is reached that `on=NAME` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from htr_exp.config.compose import compose_experiment
from htr_exp.config.login import KEYS, login_of
from htr_exp.config.places import problems
from htr_exp.core.errors import ConfigError


def site(folder: Path, text: str, name: str = "ours") -> list[Path]:
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / f"{name}.yaml").write_text(text)
    return [folder]


def test_the_site_of_the_guide_is_reached_at_its_login_node() -> None:
    login = login_of("unistra")
    assert (login.host, login.workspace, login.environment) == ("hpc-login.u-strasbg.fr", ".", None)
    assert login.folders["ground_truth"] == "./Ground_Truth"
    assert login.is_shipped


def test_a_site_of_ones_own_takes_from_a_shipped_one_what_it_does_not_say(tmp_path: Path) -> None:
    login = login_of(
        "ours", site(tmp_path, "defaults: [unistra]\nname: ours\nlogin: me@cluster\nlogin_workspace: /w\n")
    )
    assert (login.host, login.workspace, login.is_shipped) == ("me@cluster", "/w", False)
    assert login.folders["runs"] == "./Repertoire_model_finetune"


def test_typed_words_are_stronger_than_the_file() -> None:
    assert login_of("unistra", typed={"login": "me@other"}).host == "me@other"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("laptop", "in conf/site/laptop.yaml"), ("unistr", "did you mean unistra?"), ("a\x1b[2J", "\\u001b")],
)
def test_a_site_that_cannot_be_reached_is_refused_with_what_to_write_where(name: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as refused:
        login_of(name)
    assert remedy in str(refused.value)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=touch x", "a b", "ssh://a", "a:22", "a;b", "$(id)", "a\nb", "", "~/x", "a/b"]
)
def test_a_host_that_ssh_or_a_shell_would_take_for_something_else_is_refused(host: str) -> None:
    with pytest.raises(ConfigError):
        login_of("unistra", typed={"login": host})


def test_a_plan_says_so_too() -> None:
    experiment = compose_experiment(["dataset=demo", "model=none", "site=unistra"]).experiment
    assert problems(experiment) == []
    experiment.site.login = "-oProxyCommand=x"
    assert [problem.where for problem in problems(experiment)] == ["site.login"]


@pytest.mark.parametrize("name", ["laptop", "unistra"])
def test_every_shipped_site_says_its_keys(name: str) -> None:
    from htr_exp.config.choices import conf_dir

    text = (conf_dir() / "site" / f"{name}.yaml").read_text()
    assert all(f"\n{key}:" in text for key in KEYS)


def test_a_file_of_the_current_directory_chooses_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    site(tmp_path / "conf", "defaults: [unistra]\nlogin: me@evil\nlogin_workspace: /w\n")
    with pytest.raises(ConfigError, match="must not say which servers") as refused:
        login_of("ours", [Path("conf")])
    assert "type site.login=me@evil" in str(refused.value)
    assert login_of("ours", [Path("conf")], {"login": "me@evil"}).workspace == "/w"
    assert login_of("ours", [tmp_path / "conf"]).host == "me@evil"
    site(tmp_path / "conf", "login: me@evil\nname: unistra\n", "unistra")
    with pytest.raises(ConfigError, match="must not say which servers"):
        login_of("unistra", [Path("conf")])
