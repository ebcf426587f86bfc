"""Command lines made at random: whatever the words are, the answer is an exit code of ours and a sentence.

The same examples each time. HTR_EXP_FUZZ=20000 tries so many new ones per test instead.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.fuzzing import tried
from helpers.recorded_runs import make_run, tracked
from htr_exp.cli.main import main
from htr_exp.tracking import subprocesses

pytestmark = pytest.mark.seconds

ODD = ["", "=", "==", "~", "+", "++", "-", "--", "---", "-m", "-h=", "--json", "--json=1", "--workspace", "--workspace=", "--csv", "--config-dir", "@", "a@b=c", "[", "{", "{a:", "a=[",
       "a={b:", "${", "${a}", "a=${oc.env:HOME}", "a=${a}", "'", '"', "a='", "*", "?", "$(id)", "`id`", "\n", "\x1b[2J", "\u202e", "\udcff", "é", "-1", "9" * 5_000, "nan", "a" * 70_000,
       "last", "odd", "..", "/", "./x", "~/x", "None", "null", "\\", "a\\=b", "hydra.run.dir=x", "hydra/launcher=x", "+a=b", "~seed", "++seed=1"]  # fmt: skip
KEYS = ["seed", "question", "name", "again", "training", "training.epochs", "training.lrate", "training.quit", "training.leg_epochs", "dataset", "dataset.path", "dataset.exclude", "model", "model.path", "split",
        "split.test", "split.validation", "split.by", "tracking", "tracking.uri", "runtime", "runtime.kraken", "slurm", "slurm.time", "slurm.mem_gb", "site.workspace", "leakage.accept", "scores.pad", "task", "classes", "x",
        "training.x", "a.b.c.d"]  # fmt: skip
VALUES = ["", "1", "-1", "0", "0.5", "1e400", "nan", "inf", "null", "true", "[]", "[1,2]", "{}", "{a: 1}", "a,b", "x", "/nowhere", "\x1b[2J", "é\n", "\udcff", "9" * 5_000, "[" * 900, "{a:" * 300, "'", "${seed}", "${oc.env:X}",
          "${x}", "1,2", "range(1,3)", "choice(1,2)", "glob(*)", "int(x)", "early", "fixed", "2026-01-01", "1:00:00", "default", "none"]  # fmt: skip

words = st.lists(
    st.sampled_from(ODD) | st.builds("{}={}".format, st.sampled_from(KEYS), st.sampled_from(VALUES)) | st.text(st.characters(blacklist_characters="\0"), max_size=12),
    max_size=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with one run, in an empty folder."""
    folder = tmp_path_factory.mktemp("workspace")
    tracked(make_run(folder, "odd-1a1b2c3d"), "none")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(subprocesses, "record_new", lambda *args, **more: None)  # MLflow takes seconds to start
        for name in ("HOME", "PATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(folder / "home"))
        yield folder


def answered(argv: list[str]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = main(argv)
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
    said = out.getvalue()
    assert code in (0, 1, 2), said
    assert "Traceback" not in said
    assert code != 2 or said.strip()
    assert "\x1b[2J" not in said
    assert "\u202e" not in said
    return said


@tried(40)
@given(verb=st.sampled_from(["status", "compare", "logs", "options", "", "x", "--help"]), words=words)
def test_words_of_verbs_that_read(verb: str, words: list[str], workspace: Path) -> None:
    answered([word for word in [verb, *words] if word != "--watch"])


@tried(25)
@given(verb=st.sampled_from(["train", "evaluate", "check"]), words=words)
def test_words_of_an_experiment(verb: str, words: list[str], workspace: Path) -> None:
    answered([verb, *(["--dry-run"] if verb != "check" else []), *words])
