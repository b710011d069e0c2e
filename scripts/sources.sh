#!/usr/bin/env bash
# Prints the project's C files, one a line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
find include src cli examples tests bench -name '*.[ch]' -type f 2>/dev/null | sort || true
