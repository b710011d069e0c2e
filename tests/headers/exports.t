# The shared library gives out the functions of the public headers: all of them, and nothing else.
library=$YOLK_BUILD/libyolk.so
echo 1..2
declared=$(cat include/yolk/*.h | grep -v '^#' | tr '\n' ' ' | grep -o 'YOLK_API[^;(]*(' |
    grep -o 'yolk_[a-z0-9_]*($' | tr -d '(' | sort -u)
# mangle_path is of gcov, which the coverage build links in.
exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | grep -v "^__\|^_init$\|^_fini$\|^mangle_path$" | sort -u)
report() { # NUMBER WHAT NAMES
    [ -z "$3" ] && echo "ok $1 - $2" || { echo "not ok $1 - $2" && printf '# %s\n' $3; }
}
report 1 "every public function is in the shared library" "$(comm -23 <(echo "$declared") <(echo "$exported"))"
report 2 "no other name is" "$(comm -13 <(echo "$declared") <(echo "$exported"))"
