"""CPU time and size of the report of a run of 2,000 test lines, with its pictures: what a run spends on it, and what `show` does."""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from bench_scores import line, misread  # beside this file
from PIL import Image, ImageFilter

from htr_exp.core.files import write_json, write_jsonl
from htr_exp.report.contents import wanted_pictures
from htr_exp.report.page import report_of
from htr_exp.report.pictures import PageFiles, keep_pictures
from htr_exp.runs.run_dir import RunDir
from htr_exp.scoring.lines import LinePair, score

LINES, LINES_PER_PAGE, EPOCHS = 2000, 32, 100
WIDTH, HEIGHT = 2000, 3000  # of a page's photograph, pixels
LIMIT_CPU_S, LIMIT_MB = 5, 5


def photograph(folder: Path) -> Path:
    """A page as a camera sees it, which takes as long to decode as one: noise compresses badly."""
    image = Image.effect_noise((WIDTH, HEIGHT), 60).filter(ImageFilter.GaussianBlur(2)).convert("RGB")
    image.save(folder / "page.jpg", quality=88)
    return folder / "page.jpg"


def page_xml(lines: int) -> str:
    """A PAGE file with lines one below the other."""
    shapes = "".join(
        f'<TextLine id="l{n}"><Coords points="100,{90 * n + 20} 1900,{90 * n + 20} 1900,{90 * n + 90} 100,{90 * n + 90}"/>'
        f'<Baseline points="100,{90 * n + 75} 1900,{90 * n + 75}"/><TextEquiv><Unicode>x</Unicode></TextEquiv></TextLine>'
        for n in range(lines)
    )
    return (
        '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">'
        f'<Page imageFilename="page.jpg" imageWidth="{WIDTH}" imageHeight="{HEIGHT}">'
        f'<TextRegion id="r"><Coords points="0,0 1999,0 1999,2999 0,2999"/>{shapes}</TextRegion></Page></PcGts>'
    )


def scored_run(folder: Path) -> RunDir:
    """A run folder as a training leaves it that was scored."""
    source = random.Random(0)
    run = RunDir(folder)
    run.predictions.mkdir(parents=True)
    run.live.mkdir()
    run.experiment.write_text("seed: 0\n")
    rows = []
    for number in range(LINES):
        text = line(source)
        base, best = misread(misread(text, source), source), misread(text, source)
        page = f"page{number // LINES_PER_PAGE:03}.xml"
        rows.append(
            {"page": page, "line": f"l{number % LINES_PER_PAGE}", "reference": text, "base": base, "best": best}
        )
    write_jsonl(run.predictions_of("test"), rows)
    scores = {
        name: score(LinePair(row["page"], row["line"], row["reference"], row[name]) for row in rows).to_json(
            per_page=True
        )
        for name in ("base", "best")
    }
    write_json(
        run.results,
        {"test": scores, "validation": {}, "best_epoch": EPOCHS, "epochs": EPOCHS, "ended_by": "epochs"},
    )
    pages = [{"page": f"page{n:03}.xml", "lines": LINES_PER_PAGE} for n in range(-(-LINES // LINES_PER_PAGE))]
    others = [{"page": f"other{n:03}.xml", "lines": LINES_PER_PAGE} for n in range(200)]
    write_json(run.split, {"train": others, "validation": others[:20], "test": pages})
    write_json(
        run.provenance,
        {
            "run": {"uuid": "u", "key": "k", "name": "bench", "task": "recognition", "verb": "train"},
            "dataset": {"name": "bench", "digest": "d"}, "software": {"kraken": "7.1.1"}, "model": {"name": "base", "sha256": "s"},
        },
    )  # fmt: skip
    write_jsonl(
        run.metrics, [{"epoch": n, "val_cer": 1 / (n + 2), "seconds": 1.0, "time": ""} for n in range(1, EPOCHS + 1)]
    )
    run.seal({})
    return run


def main() -> None:
    """Make the pictures and the page, as the last stage of a run does."""
    imports = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        image, staged = photograph(place), place / "page.xml"
        staged.write_text(page_xml(LINES_PER_PAGE))
        run = scored_run(place / "run")
        begin = time.process_time()
        keep_pictures(run, wanted_pictures(run), lambda name: PageFiles(staged, image), upright=True)
        run.seal_results()
        pictures = time.process_time() - begin
        page = report_of(run)
        whole = time.process_time() - begin + imports
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert page.count(b"<figure") == 16 + 3 * 8
    assert page.count(b"data:image/jpeg") == 16 + 3 * 8
    rows = [
        {"name": "report: 2,000 test lines, 40 pictures", "ours_cpu_s": round(whole, 2), "limit_cpu_s": LIMIT_CPU_S,
         "peer": "of it the pictures, of 24 photographs of 6 megapixels", "peer_cpu_s": round(pictures, 2), "ratio": round(whole / pictures, 2)},
        {"name": "report: its size", "ours_mb": round(len(page) / 1e6, 2), "limit_mb": LIMIT_MB},
        {"name": "report: memory", "ours_mb": round(peak, 0)},
    ]  # fmt: skip
    print(*(json.dumps(row) for row in rows), sep="\n")
    sys.exit(whole > LIMIT_CPU_S or len(page) > LIMIT_MB * 1e6)


if __name__ == "__main__":
    main()
