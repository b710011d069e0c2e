#!/usr/bin/env bash
# fuzz.sh FOLDER SECONDS [SUBJECT...]: runs each libFuzzer target in FOLDER for SECONDS, as many at once as there are
# processors. What a run finds new is merged into tests/fuzz/corpus/SUBJECT when FUZZ_KEEP=1, else forgotten.
# A crash leaves its input in out/fuzz and ends with status 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$1 seconds=$2
shift 2
subjects=("$@")
if [ ${#subjects[@]} -eq 0 ]; then
    for target in "$folder"/fuzz_*; do
        [ -x "$target" ] || { echo "fuzz: no target in $folder" >&2 && exit 1; }
        subjects+=("${target##*/fuzz_}")
    done
fi
mkdir -p out/fuzz

fuzz_one() {
    local subject=$1 seconds=$2 target=$3/fuzz_$1 kept=tests/fuzz/corpus/$1 log=out/fuzz/$1.log new options=()
    new=$(mktemp -d)
    mkdir -p "$kept"
    [ -e "tests/fuzz/$subject.dict" ] && options+=(-dict="tests/fuzz/$subject.dict")
    if ! "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=25 -print_final_stats=1 \
        -artifact_prefix="out/fuzz/$subject-" "${options[@]}" "$new" "$kept" >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "fuzz: $subject: FAILED, the input is in out/fuzz"
        return 1
    fi
    [ -n "${FUZZ_KEEP:-}" ] && "$target" -merge=1 "$kept" "$new" >/dev/null 2>&1
    rm -rf "$new"
    echo "fuzz: $subject: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s, nothing found"
}
export -f fuzz_one
printf '%s\n' "${subjects[@]}" | xargs -P "$(nproc)" -I '{}' bash -c 'fuzz_one "$@"' fuzz '{}' "$seconds" "$folder"
