#!/bin/sh
# What this run does, in kraken 7.1.1's own commands. It repeats the run in a folder of its own, $OUT.
set -eu
cd "$(dirname "$0")"
OUT=${OUT:-by-hand}
DATA=${DATA:-$(cat live/data.path 2>/dev/null || true)}
BASE=${BASE:-$(cat live/base_model.path 2>/dev/null || true)}
mkdir -p "$OUT"
export COLUMNS=400 TERM=dumb NO_COLOR=1 OMP_NUM_THREADS=1 LC_ALL=C.UTF-8

# the pages as kraken is given them; their images are in $DATA
stop() { echo "commands.sh: $1" >&2; exit 2; }
[ -d "$DATA" ] || stop "DATA=$DATA: there is no such folder; say where the images of the pages are: DATA=/WHOLE/PATH sh commands.sh"
[ -f "$BASE" ] || stop "BASE=$BASE: there is no such file; say where the base model is: BASE=/WHOLE/PATH sh commands.sh"
tar -xzf pages.tar.gz -C "$OUT"
rm -f "$OUT/pages/images"
ln -s "$(cd "$DATA" && pwd)" "$OUT/pages/images"
while IFS= read -r image; do [ -f "$OUT/pages/$image" ] || stop "DATA=$DATA: there is no ${image#images/} in it"; done < "$OUT/pages/every.images"
for list in "$OUT"/pages/*.pages "$OUT"/pages/*.images; do
  while IFS= read -r name; do printf '%s\n' "$OUT/pages/$name"; done < "$list" > "$OUT/${list##*/}"
done


# predictions on the held-out lines
mkdir -p "$OUT/model"
set --
while read -r page; do set -- "$@" -i "$page" "$OUT/model/$(basename "$page" .xml).jsonl"; done < "$OUT/held-out.pages"
kraken -d cpu --precision 32-true --threads 1 -f page -t predict.jinja --no-subline-segmentation "$@" ocr -m "$BASE" -B 1 --pad 16 --no-reorder --num-line-workers 0
