#!/usr/bin/env bash
# build.sh FOLDER [CMAKE-OPTION...] [-- TARGET...]: configures FOLDER if its options have changed, then builds it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$1
shift
options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
done
[ $# -gt 0 ] && shift
if ! command -v cmake >/dev/null || ! command -v ninja >/dev/null; then
    echo "build: cmake or ninja is missing; run 'make setup', which installs what is needed" >&2
    exit 1
fi
# What set-up has brought since is to be found.
state=$(printf '%s\n' "$PWD" "${CC:-}" "${options[@]}" "$(ls .deps/cuda/bin/nvcc 2>/dev/null)")
if [ ! -e "$folder/build.ninja" ] || [ "$(cat "$folder/options" 2>/dev/null)" != "$state" ]; then
    cmake -S . -B "$folder" -G Ninja "${options[@]}" >/dev/null
    printf '%s\n' "$state" >"$folder/options"
fi
exec ninja -C "$folder" "$@"
