"""Run by a Python that has kraken 4.3 or 7.1: says what its own training makes of the files named on standard input.

One file a line; answers with a JSON list of [lines or null, whether the training stops, what was said], in their order.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from importlib.metadata import version
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")


def read_7(path):
    from kraken.configs import VGSLRecognitionTrainingDataConfig
    from kraken.train import VGSLRecognitionDataModule

    try:
        data = VGSLRecognitionDataModule(VGSLRecognitionTrainingDataConfig(format_type="xml", training_data=[path]))
    except Exception as error:  # noqa: BLE001 - which it would not be if other files were given beside it
        return None, "Invalid specification" not in str(error), repr(error)
    return len(data.train_set.dataset), False, ""


def read_4(path):
    from kraken.lib.dataset import PolygonGTDataset
    from kraken.lib.exceptions import KrakenInputException
    from kraken.lib.train import RecognitionModel
    from kraken.lib.xml import parse_xml, preparse_xml_data

    settings = SimpleNamespace(normalization=None, normalize_whitespace=True, augment=False)
    # What a RecognitionModel with ketos' defaults has, without the network that making one would need.
    model = SimpleNamespace(hparams=settings, reorder=True, transforms=None, num_workers=1, format_type="xml")
    try:
        lines = preparse_xml_data([path], "xml", False)
        dataset = RecognitionModel._build_dataset(model, PolygonGTDataset, lines)
    except Exception as error:  # noqa: BLE001 - as ketos does not
        return None, True, repr(error)
    try:  # a file without lines and one that was left out look the same above
        if not os.path.exists(parse_xml(path)["image"]):
            return None, False, "no image"
    except KrakenInputException as error:
        return None, False, repr(error)
    return len(dataset), False, ""


if __name__ == "__main__":
    read = read_4 if version("kraken").startswith("4.") else read_7
    json.dump([read(path) for path in sys.stdin.read().split("\n") if path], sys.stdout)
