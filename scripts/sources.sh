#!/usr/bin/env bash
# Prints the C files of the project, one a line: those that git knows of or would take.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files --cached --others --exclude-standard -- '*.c' '*.h' | while IFS= read -r file; do
    [ -e "$file" ] && printf '%s\n' "$file"
done
