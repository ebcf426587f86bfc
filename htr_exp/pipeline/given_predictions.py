"""What recognition does otherwise with the predictions of another system: nothing is read any more, so kraken is not needed."""

from __future__ import annotations

from functools import cached_property

from htr_exp.core.errors import ChangedError
from htr_exp.core.files import read_jsonl, utc_now
from htr_exp.pipeline import training
from htr_exp.pipeline.recognition import Recognition
from htr_exp.runs.records import PageRecord, Results
from htr_exp.scoring.text_order import display_order


class GivenPredictions(Recognition):
    """The stages of an evaluation of what another system read; the plan has paired it with the lines."""

    @property
    def _polygons(self) -> str:
        return "none"

    def predict(self) -> None:
        """Make sure that every line has its prediction.

        Raises:
            ChangedError: it has not.
        """
        wanted = {(page["page"], line) for page in self._inputs.pages("test") for line in page["line_ids"]}
        if wanted != self._given.keys():
            raise ChangedError(f"{self._run.given_predictions}: it has other lines than the test pages of split.json")

    @cached_property
    def _given(self) -> dict[tuple[str, str], str]:
        """Page and line -> what was read there, in logical order."""
        rows = read_jsonl(self._run.given_predictions, "page", "line", "text")
        return {(row["page"], row["line"]): row["text"] for row in rows}

    def _texts(self, name: str, page: PageRecord) -> dict[str, str]:
        # as kraken's own predictions are: in display order, from which both sides go back by one function
        return {line: display_order(self._given[page["page"], line], self._inputs.release) for line in page["line_ids"]}

    def _confirm_inputs(self) -> None:
        models = {path: self._inputs.digests[name] for name, path in self._inputs.models().items()}
        self._inputs.unchanged(self._inputs.pages("test"), models)

    def _common_results(self, outcome: training.Outcome | None) -> Results:
        digests = self._inputs.digests
        results: Results = {"network": None, "models": digests, "weights": digests}
        if counted := self._count_scoring(digests["model"]):
            results["test_scored"] = counted
        return results | {"val_source": "rescored", "time": utc_now()}
