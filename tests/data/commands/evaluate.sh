#!/bin/sh
# What this run does, in kraken 7.1.1's own commands. It repeats the run in a folder of its own, $OUT.
set -eu
cd "$(dirname "$0")"
OUT=${OUT:-by-hand}
BASE=${BASE:-$(cat live/base_model.path 2>/dev/null || true)}
mkdir -p "$OUT"
export COLUMNS=400 TERM=dumb NO_COLOR=1 OMP_NUM_THREADS=1 LC_ALL=C.UTF-8


# predictions on the held-out lines
mkdir -p "$OUT/model"
set --
while read -r page; do set -- "$@" -i "$page" "$OUT/model/$(basename "$page" .xml).jsonl"; done < live/held-out.pages
kraken -d cpu --precision 32-true --threads 1 -f page -t predict.jinja --no-subline-segmentation "$@" ocr -m "$BASE" -B 1 --pad 16 --no-reorder --num-line-workers 0
