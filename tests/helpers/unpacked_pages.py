"""What `commands.sh` finds beside it, made up: pages in their archive, images, models."""

from __future__ import annotations

from pathlib import Path

from htr_exp.pipeline.page_archive import StagedPage, page_archive
from htr_exp.runs.run_dir import RunDir


def beside_commands(folder: Path, *names: str) -> Path:
    """Write what the commands of a run read; all pages are in train, validation and held out.

    Args:
        folder: of the run.
        names: of its pages, without suffix.

    Returns:
        The base model.
    """
    run, data = RunDir(folder), folder.parent / "the data"
    data.mkdir()
    run.live.mkdir(parents=True, exist_ok=True)
    pages = {}
    for name in names:
        (data / f"{name}.png").touch()
        (data / f"{name}.xml").write_text("<Page/>")
        pages[name] = StagedPage(data / f"{name}.xml", data / f"{name}.png")
    lists = [*(run.page_list(side).name for side in ("train", "validation", "test"))]
    lists += [run.held_out_pages.name, run.held_out_images.name]
    run.page_archive.write_bytes(page_archive(pages, dict.fromkeys(lists, names), data))
    run.data_path.write_text(f"{data}\n")
    base = data / "a base's $HOME.mlmodel"
    base.touch()
    run.base_model_path.write_text(f"{base}\n")
    return base
