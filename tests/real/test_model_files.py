"""What is written into a model stays there, and its weights are recognised, when the real kraken converts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.folders import DEMO
from helpers.real_training import needs_kraken
from htr_exp.kraken.model_file import read_header
from htr_exp.kraken.model_metadata import update_metadata
from htr_exp.kraken.model_weights import weights_digest
from htr_exp.splits.fingerprints import MODEL_KEY, Fingerprint, Lineage, for_model, of_model

pytestmark = [pytest.mark.kraken, pytest.mark.slow, needs_kraken]


def converted(model: Path, to: Path) -> Path:
    kind = {".safetensors": "safetensors", ".mlmodel": "coreml"}[to.suffix]
    ketos = Path(sys.executable).with_name("ketos")
    subprocess.run(
        [str(ketos), "convert", "-o", str(to), "--weights-format", kind, str(model)],
        check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    return to


def test_there_and_back_a_model_knows_its_pages_and_has_its_weights(tmp_path: Path) -> None:
    model = tmp_path / "m.mlmodel"
    model.write_bytes((DEMO / "base.mlmodel").read_bytes())
    weights = weights_digest(model)
    page = Fingerprint("train", "f1é.xml", "run", xml_digest="ab" * 32, look=5 << 500, sketch=(1, 2))
    update_metadata(model, {MODEL_KEY: {**for_model(Lineage("known", ("run",), (page,))), "weights": weights}})
    there = converted(model, tmp_path / "m.safetensors")
    back = converted(there, tmp_path / "back.mlmodel")
    for one in (model, there, back):
        assert weights_digest(one) == weights, one.name
        said = of_model(read_header(one).metadata[MODEL_KEY], weights_digest(one))
        assert (said.known, said.notes) == ("known", ())
        assert [(page.name, page.xml_digest, page.look, page.sketch) for page in said.pages] == [
            ("f1é.xml", "ab" * 8, 5 << 500, (1, 2))
        ]
