# Each public header compiles by itself, twice over, as C11 and as C++17, with every compiler that is installed.
headers=(include/yolk/*.h)
echo "1..$((${#headers[@]} * 4))"
number=0
compile() { # COMPILER LANGUAGE STANDARD HEADER
    number=$((number + 1))
    local what="$number - $4 as $3 with $1" output
    if ! command -v "$1" >/dev/null; then
        echo "ok $what # SKIP $1 is not installed"
    elif output=$(printf '#include "yolk/%s"\n#include "yolk/%s"\n' "${4##*/}" "${4##*/}" |
        "$1" -x "$2" -std="$3" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude - 2>&1); then
        echo "ok $what"
    else
        printf 'not ok %s\n' "$what"
        printf '%s\n' "$output" | sed 's/^/# /'
    fi
}
for header in "${headers[@]}"; do
    compile gcc c c11 "$header"
    compile g++ c++ c++17 "$header"
    compile clang c c11 "$header"
    compile clang++ c++ c++17 "$header"
done
