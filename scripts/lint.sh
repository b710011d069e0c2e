#!/usr/bin/env bash
# lint.sh BUILD: clang-format, clang-tidy and cppcheck over the sources; BUILD holds compile_commands.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$1
status=0
mapfile -t sources < <(scripts/sources.sh)
mapfile -t units < <(printf '%s\n' "${sources[@]}" | grep -E '^(src|cli|examples)/.*\.c$')

echo "lint: clang-format, ${#sources[@]} files"
printf '%s\n' "${sources[@]}" | xargs clang-format --dry-run --Werror || status=1

echo "lint: clang-tidy, ${#units[@]} files"
# One file a process: version 14 finds uninitialised va_lists that are not when it is given several.
printf '%s\n' "${units[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy --quiet --warnings-as-errors='*' -p "$build" \
    2> >(grep -v ' warnings\? generated\.$\|^Suppressed \|^Use -header-filter' >&2) || status=1

echo "lint: cppcheck"
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -j "$(nproc)" \
    --suppress=missingInclude -I include -I src -D__GNUC__ src cli examples || status=1

[ $status -eq 0 ] && echo "lint: nothing found"
exit $status
