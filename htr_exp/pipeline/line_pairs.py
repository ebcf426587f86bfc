"""What recognition does otherwise with line pairs: kraken is given the pictures themselves, and cuts nothing out of them.

The figures are those of `ketos train -f path` and `ketos test -f path`: kraken straightens such pictures by their middle, and
not those that it cuts out along a baseline.
"""

from __future__ import annotations

import glob
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from htr_exp.core.errors import TrainingError
from htr_exp.core.files import write_jsonl
from htr_exp.groundtruth.pairs_for_kraken import names, text_name
from htr_exp.groundtruth.xml import read_page
from htr_exp.kraken.commands import LINE_PAIRS, compile_command, predict_lines_command
from htr_exp.pipeline.recognition import Recognition
from htr_exp.runs.records import PageRecord


class PairRecognition(Recognition):
    """The stages of a recognition run on line pairs."""

    @property
    def _polygons(self) -> str:
        return "none"

    @contextmanager
    def _compiling(self, side: str, output: Path) -> Iterator[list[str]]:
        folder = self._run.new_pairs
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        pictures: list[Path] = []
        for number, page in enumerate(self._inputs.pages(side)):
            put = self._pictures(page, number, folder)
            for picture, line in zip(put, read_page(self._inputs.staged(page)).lines, strict=True):
                (folder / text_name(picture.name)).write_text(line.text, encoding="utf-8")
            pictures += put
        listed = folder / "pictures.txt"
        listed.write_text("".join(f"{picture}\n" for picture in pictures), encoding="utf-8", errors="surrogateescape")
        yield compile_command(
            self._inputs.kraken.version,
            pages=str(listed),
            output=str(output),
            legacy_polygons=self._training.legacy_polygons,
            form=LINE_PAIRS,
        )
        shutil.rmtree(folder)

    def _pictures(self, page: PageRecord, number: int, folder: Path) -> list[Path]:
        """Put the pictures of a page's lines into a folder, under the names that kraken is to see."""
        pictures = []
        images = [image for image, _ in self._inputs.images(page)]
        for name, image in zip(names(number, images), images, strict=True):
            pictures.append(folder / name)
            pictures[-1].symlink_to(image)
        return pictures

    def _prediction_command(self, model: Path, pages: Sequence[tuple[PageRecord, Path]]) -> list[str]:
        folder = pages[0][1].parent
        for page, output in pages:
            self._pictures(page, int(output.stem), folder)
        return predict_lines_command(
            self._inputs.kraken.version,
            pictures=f"{glob.escape(str(folder))}/*-*",
            suffix=self.suffix,
            model=str(model),
            template=str(self._run.template),
            device=self._inputs.device,
            precision=self._inputs.experiment.training.precision,
            threads=self._inputs.experiment.training.threads,
            pad=self._scores.pad,
        )

    def _outputs(self, page: PageRecord, output: Path) -> list[Path]:
        """The file that kraken writes of each line of a page."""
        images = [image for image, _ in self._inputs.images(page)]
        return [(output.parent / name).with_suffix(self.suffix) for name in names(int(output.stem), images)]

    def _is_predicted(self, page: PageRecord, output: Path) -> bool:
        return self._outputs(page, output)[-1].exists()

    def _take_prediction(self, page: PageRecord, output: Path, target: Path) -> None:
        rows = []
        for line, file in zip(page["line_ids"], self._outputs(page, output), strict=True):
            said = self._said(page, file)
            if len(said) != 1:
                raise TrainingError(
                    f"{page['page']}: kraken recognised {len(said)} lines in the picture of {line}: see {self._run.log}"
                )
            rows.append({"line": line, "text": said[0]["text"]})
        write_jsonl(target, rows)
