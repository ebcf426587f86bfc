"""The addresses of MLflow's pages that people are led to."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.recorded_runs import client_of, make_run
from htr_exp.tracking import store
from htr_exp.tracking import ui as tracking_ui
from htr_exp.tracking.sync import sync_runs

pytest.importorskip("sqlalchemy", reason="the embedded store needs the whole of MLflow: pip install 'htr-exp[mlflow]'")


def test_the_printed_address_leads_to_the_table_of_the_newest_run_or_to_the_one_that_was_named(place: Path) -> None:
    old, new = make_run(place, "a", question="old"), make_run(place, "b", question="new")
    starts = new / "live/starts.jsonl"
    starts.write_text(starts.read_text().replace("2026", "2027"))
    ids = [one.run_id for one in sync_runs([new, old], workspace=place)]
    client = client_of(place)
    where = {name: client.get_experiment_by_name(name).experiment_id for name in ("old", "new")}

    def front(*run_ids: str) -> str:
        return store.front(place / "mlflow.db", "http://x", run_ids)

    assert (
        front() == f"http://x/#/experiments/{where['new']}/runs?workflowType=machine_learning&viewStateShareKey=scores"
    )
    assert front(ids[1]) == f"http://x/#/experiments/{where['old']}/runs/{ids[1]}?workflowType=machine_learning"
    assert front(*ids) == front()
    client.delete_experiment(where["new"])
    assert f"/{where['old']}/" in front()
    assert store.front(place / "none.db", "http://x") is None


@pytest.mark.parametrize(
    ("experiments", "front"),
    [
        (None, "/#/experiments?workflowType=machine_learning"),
        ({"one": "4"}, "/#/experiments/4/runs?workflowType=machine_learning&viewStateShareKey=scores"),
        ({"one": "4", "two": "5"}, "/#/experiments?workflowType=machine_learning"),
    ],
)
def test_of_a_server_the_tables_of_runs_are_said_and_no_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], experiments: dict[str, str] | None, front: str
) -> None:
    tracking_ui.serve_ui(tmp_path, uri="http://me:secret@mlflow.example:5000", experiments=experiments)
    first, *more = capsys.readouterr().out.splitlines()
    assert first == f"MLflow is at http://mlflow.example:5000{front}"
    assert [line.split(": ")[0].strip() for line in more] == list(experiments or {})
    assert "secret" not in "".join(more)
