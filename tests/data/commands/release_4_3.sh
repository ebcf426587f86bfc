#!/bin/sh
# What this run does, in kraken 4.3.13's own commands. It repeats the run in a folder of its own, $OUT.
# kraken has no cap on epochs with -q early: the run stops it after 100.
module load kraken/4.3.13
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

# one compiled file for each side of the split; what the cache holds already is compiled again
ketos compile --workers 1 -f page -o "$OUT/train.arrow" -F "$OUT/train.pages"
echo "$OUT/train.arrow" > "$OUT/train.list"
ketos compile --workers 1 -f page -o "$OUT/validation.arrow" -F "$OUT/validation.pages"
echo "$OUT/validation.arrow" > "$OUT/validation.list"
ketos compile --workers 1 -f page -o "$OUT/test.arrow" -F "$OUT/test.pages"
echo "$OUT/test.arrow" > "$OUT/test.list"

# What this cannot repeat: a training that was resumed within a leg (resumed_at in results.json). It then has other random numbers.
if grep -q '"exact": false' live/starts.jsonl 2>/dev/null; then
  echo "commands.sh: this run was resumed after an interruption: the line below '# training' gives another model than best.mlmodel" >&2
fi

# training: a model after every epoch
mkdir -p "$OUT/train"
ketos -v --no-deterministic -s 1 train -f binary -t "$OUT/train.list" -e "$OUT/validation.list" -o "$OUT/train/m" -i "$BASE" --resize union -q early --lag 10 --min-epochs 0 -d cpu --workers 0 --precision 32 -B 8 -r 0.003 --optimizer Adam -m 0.9 -w 0.0 --warmup 0 --schedule constant -g 0.1 -ss 10 --sched-patience 5 --cos-max 10 --pad 16 --augment --normalize-whitespace | tee "$OUT/train/log.txt"
# the best of them by the log, whose first validation is a sanity check; kraken's own choice may be that sanity check
BEST=$(sed -n 's/.*total chars [0-9.]* errors \([0-9.]*\) accuracy.*/\1/p' "$OUT/train/log.txt" | tail -n +2 | awk '{print $1, NR - 1}' | sort -k1,1n -k2,2n | head -n 1 | cut -d ' ' -f 2)
cp "$OUT/train/m_$BEST.mlmodel" "$OUT/best.mlmodel"

# predictions on the held-out lines
mkdir -p "$OUT/base"
set --
while read -r page; do set -- "$@" -i "$page" "$OUT/base/$(basename "$page" .xml).jsonl"; done < "$OUT/held-out.pages"
kraken -d cpu -f page -t predict.jinja "$@" ocr -m "$BASE" --pad 16 --no-reorder --threads 1
mkdir -p "$OUT/best"
set --
while read -r page; do set -- "$@" -i "$page" "$OUT/best/$(basename "$page" .xml).jsonl"; done < "$OUT/held-out.pages"
kraken -d cpu -f page -t predict.jinja "$@" ocr -m "$OUT/best.mlmodel" --pad 16 --no-reorder --threads 1
