# Every file of the kept corpora once through its fuzz target.
shopt -s nullglob
targets=("$YOLK_BUILD"/replay/fuzz_*)
if [ ${#targets[@]} -eq 0 ]; then
    echo "1..0 # SKIP this build has no fuzz targets"
    exit 0
fi
echo "1..${#targets[@]}"
number=0
for target in "${targets[@]}"; do
    number=$((number + 1))
    subject=${target##*/fuzz_}
    files=(tests/fuzz/corpus/"$subject"/*)
    if [ ${#files[@]} -eq 0 ]; then
        echo "not ok $number - $subject has no corpus in tests/fuzz/corpus/$subject"
    elif output=$("$target" "${files[@]}" 2>&1); then
        echo "ok $number - $subject, ${#files[@]} files"
    else
        echo "not ok $number - $subject, ${#files[@]} files"
        printf '%s\n' "$output" | tail -n 40 | sed 's/^/# /'
    fi
done
