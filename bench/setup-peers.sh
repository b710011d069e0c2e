#!/usr/bin/env bash
# Puts the peers that the benchmarks measure against into .deps/peers (a Python virtual environment, a few GB).
set -euo pipefail
cd "$(dirname "$0")/.."
peers=.deps/peers
stamp=$peers/requirements.txt
if cmp -s bench/requirements.txt "$stamp"; then
    exit 0
fi
python3 -m venv "$peers"
"$peers/bin/pip" install --quiet --disable-pip-version-check -r bench/requirements.txt
cp bench/requirements.txt "$stamp"
