#!/usr/bin/env bash
# demo.sh YOLK FOLDER [OPTION...]: finds the objects in set-up's clip with set-up's checkpoint, by `yolk detect` with
# these options, and says what came out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
yolk=$1 folder=$2
shift 2
mkdir -p "$folder"
"$yolk" detect .deps/clips/bikes.mp4 --model .deps/models/yolo26n.pt --save-video "$folder/bikes.mp4" \
    --save-jsonl "$folder/bikes.jsonl" --stats "$folder/stats.json" "$@"
printf '\nFound most often, all frames together:\n'
grep -o '"name":"[^"]*"' "$folder/bikes.jsonl" | sort | uniq -c | sort -rn | head -n 6 |
    sed 's/^ *\([0-9]*\) "name":"\(.*\)"/  \1 x \2/'
printf '\nThe annotated video:      %s\nThe detections by frame:  %s\nTime and memory:          %s\n' \
    "$folder/bikes.mp4" "$folder/bikes.jsonl" "$folder/stats.json"
