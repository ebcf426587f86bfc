#!/bin/sh
# What this run does, in kraken 7.1.1's own commands. It repeats the run in a folder of its own, $OUT.
# Epochs are trained in legs, each in a folder of its own, so that each leaves a checkpoint.
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
ketos --workers 0 compile -f page -o "$OUT/train.arrow" -F "$OUT/train.pages"
echo "$OUT/train.arrow" > "$OUT/train.list"
ketos --workers 0 compile -f page -o "$OUT/validation.arrow" -F "$OUT/validation.pages"
echo "$OUT/validation.arrow" > "$OUT/validation.list"
ketos --workers 0 compile -f page -o "$OUT/test.arrow" -F "$OUT/test.pages"
echo "$OUT/test.arrow" > "$OUT/test.list"

# What this cannot repeat: a training that was resumed within a leg (resumed_at in results.json). It then has other random numbers.
if grep -q '"exact": false' live/starts.jsonl 2>/dev/null; then
  echo "commands.sh: this run was resumed after an interruption: the line below '# training' gives another model than best.mlmodel" >&2
fi

# training
ketos -v -d cpu --workers 0 --threads 1 --precision 32-true --no-deterministic -s 7 train -f binary -t "$OUT/train.list" -e "$OUT/validation.list" -o "$OUT/train/leg-01" --weights-format coreml -i "$BASE" --resize union -q fixed -N 10 --min-epochs 0 -B 8 -r 0.003 --optimizer Adam -m 0.9 -w 0.0 --gradient-clip-val 1.0 --accumulate-grad-batches 1 --warmup 0 --schedule constant -g 0.1 -ss 10 --sched-patience 5 --cos-max 10 --cos-min-lr 1e-06 --pad 16 --augment --normalize-whitespace -u NFD
ketos -v -d cpu --workers 0 --threads 1 --precision 32-true --no-deterministic -s 17 train --resume "$OUT/train/leg-01/checkpoint_09-"*.ckpt -o "$OUT/train/leg-02" --weights-format coreml -q fixed -N 20 --min-epochs 0
ketos -v -d cpu --workers 0 --threads 1 --precision 32-true --no-deterministic -s 27 train --resume "$OUT/train/leg-02/checkpoint_19-"*.ckpt -o "$OUT/train/leg-03" --weights-format coreml -q fixed -N 25 --min-epochs 0
# the best of all legs: its score is in its name
cp "$(ls "$OUT"/train/*/best_*.mlmodel | awk -F_ '{print $NF "\t" $0}' | sort -n | tail -n 1 | cut -f 2)" "$OUT/best.mlmodel"

# predictions on the held-out lines
mkdir -p "$OUT/base"
set --
while read -r page; do set -- "$@" -i "$page" "$OUT/base/$(basename "$page" .xml).jsonl"; done < "$OUT/held-out.pages"
kraken -d cpu --precision 32-true --threads 1 -f page -t predict.jinja --no-subline-segmentation "$@" ocr -m "$BASE" -B 1 --pad 16 --no-reorder --num-line-workers 0
mkdir -p "$OUT/best"
set --
while read -r page; do set -- "$@" -i "$page" "$OUT/best/$(basename "$page" .xml).jsonl"; done < "$OUT/held-out.pages"
kraken -d cpu --precision 32-true --threads 1 -f page -t predict.jinja --no-subline-segmentation "$@" ocr -m "$OUT/best.mlmodel" -B 1 --pad 16 --no-reorder --num-line-workers 0
