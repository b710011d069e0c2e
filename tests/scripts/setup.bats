# scripts/setup.sh on a wheel made here: nothing is downloaded.

setup() {
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    [ -x "$root/.deps/venv/bin/pip" ] || skip "set-up has not made its virtual environment"
    folder=$(mktemp -d)
    mkdir -p "$folder/scripts" "$folder/wheels" "$folder/.deps"
    cp "$root"/scripts/{setup.sh,unwheel.py} "$folder/scripts"
    ln -s "$(realpath "$root/.deps/venv")" "$folder/.deps/venv"
    export PIP_NO_INDEX=1 PIP_FIND_LINKS=$folder/wheels PIP_CONFIG_FILE=/dev/null YOLK_NO_APT=1
    wheel 1.0 "first" "second"
}

teardown() {
    rm -rf "$folder"
}

# wheel VERSION TEXT-OF-A TEXT-OF-B: makes a wheel and pins it.
wheel() {
    local file=$folder/wheels/thing-$1-py3-none-any.whl
    python3 - "$file" "$@" <<'P'
import sys
import zipfile

file, version, a, b = sys.argv[1:]
with zipfile.ZipFile(file, "w") as archive:
    program = zipfile.ZipInfo("thing/lib/a.so.1")
    program.external_attr = 0o755 << 16
    archive.writestr(program, a)
    archive.writestr("thing/lib/deep/c.so.1", "not wanted")
    archive.writestr("thing/include/b.h", b)
    archive.writestr(f"thing-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: thing\nVersion: {version}\n")
    archive.writestr(f"thing-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    archive.writestr(f"thing-{version}.dist-info/RECORD", "")
P
    printf '# pins\nthing any thing==%s any %s thing/lib/*.so.*>lib thing/include/*.h>include\n' "$1" \
        "$(sha256sum <"$file" | cut -d' ' -f1)" >"$folder/scripts/deps.txt"
}

@test "the files that were asked for are put in place, and no others" {
    "$folder/scripts/setup.sh" files-only
    [ "$(cat "$folder/.deps/thing/lib/a.so.1")" = first ]
    [ "$(cat "$folder/.deps/thing/include/b.h")" = second ]
    [ "$(find "$folder/.deps/thing" -type f | wc -l)" -eq 2 ]
    [ ! -e "$folder/.deps/new/thing" ]
}

@test "a second run downloads nothing" {
    "$folder/scripts/setup.sh" files-only
    rm -r "$folder/wheels"
    run "$folder/scripts/setup.sh" files-only
    [ "$status" -eq 0 ] && [ -z "$output" ]
}

@test "a file that was cut or lost is put back" {
    "$folder/scripts/setup.sh" files-only
    echo >"$folder/.deps/thing/lib/a.so.1"
    "$folder/scripts/setup.sh" files-only
    [ "$(cat "$folder/.deps/thing/lib/a.so.1")" = first ]
    rm "$folder/.deps/thing/include/b.h"
    "$folder/scripts/setup.sh" files-only
    [ "$(cat "$folder/.deps/thing/include/b.h")" = second ]
}

@test "a run that was stopped half way is taken up again" {
    mkdir -p "$folder/.deps/new/thing/files/lib"
    echo rest >"$folder/.deps/new/thing/files/lib/z.so.1"
    "$folder/scripts/setup.sh" files-only
    [ "$(find "$folder/.deps/thing" -type f | wc -l)" -eq 2 ]
}

@test "another version replaces the files and leaves what is not set-up's" {
    "$folder/scripts/setup.sh" files-only
    echo mine >"$folder/.deps/thing/mine"
    wheel 2.0 "newer" "second"
    "$folder/scripts/setup.sh" files-only
    [ "$(cat "$folder/.deps/thing/lib/a.so.1")" = newer ]
    [ "$(cat "$folder/.deps/thing/mine")" = mine ]
    [ "$(ls "$folder/.deps/receipts" | wc -l)" -eq 1 ]
}

@test "fewer files from the same wheel" {
    "$folder/scripts/setup.sh" files-only
    sed -i 's| thing/include.*||' "$folder/scripts/deps.txt"
    "$folder/scripts/setup.sh" files-only
    [ "$(find "$folder/.deps/thing" -type f)" = "$folder/.deps/thing/lib/a.so.1" ]
}

@test "a wheel with another hash is refused and nothing is put in place" {
    echo more >>"$folder/wheels/thing-1.0-py3-none-any.whl"
    run "$folder/scripts/setup.sh" files-only
    [ "$status" -eq 1 ]
    [[ $output == *"could not download thing==1.0"* ]]
    [ ! -e "$folder/.deps/thing" ]
}

@test "what is for the tests alone, or for another Python, is left out" {
    pin=$(tail -n 1 "$folder/scripts/deps.txt" | cut -d' ' -f2-)
    python=$(python3 -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
    printf '%s\n' "tensorrt $pin" "tensorrt.$python $pin" "tensorrt.cp299 $pin" >>"$folder/scripts/deps.txt"
    "$folder/scripts/setup.sh" files-only
    [ -e "$folder/.deps/thing" ]
    [ ! -e "$folder/.deps/tensorrt" ]
    "$folder/scripts/setup.sh" test files-only
    [ -e "$folder/.deps/tensorrt/lib/a.so.1" ]
    [ -e "$folder/.deps/tensorrt.$python/lib/a.so.1" ]
    [ ! -e "$folder/.deps/tensorrt.cp299" ]
}

@test "NVIDIA's compiler is fetched when it is asked for: several wheels in one folder, with their folders and programs" {
    pin=$(tail -n 1 "$folder/scripts/deps.txt" | cut -d' ' -f2-5)
    printf '%s\n' "cuda:one $pin thing/lib/**>bin" "cuda:two $pin thing/include/*>include" >>"$folder/scripts/deps.txt"
    "$folder/scripts/setup.sh" files-only
    [ ! -e "$folder/.deps/cuda" ]
    "$folder/scripts/setup.sh" cuda files-only
    [ "$(cat "$folder/.deps/cuda/bin/deep/c.so.1")" = "not wanted" ]
    [ "$(cat "$folder/.deps/cuda/include/b.h")" = second ]
    [ -x "$folder/.deps/cuda/bin/a.so.1" ]
    [ ! -x "$folder/.deps/cuda/include/b.h" ]
    run "$folder/scripts/setup.sh" cuda files-only
    [ "$status" -eq 0 ] && [ -z "$output" ]
    run make -n -C "$root" setup CUDA=1
    [[ $output == *"scripts/setup.sh run test cuda"* ]]
    run make -n -C "$root" setup
    [[ $output != *"test cuda"* ]]
}

@test "without OpenVINO: all else is put in place, and an OpenVINO that is there stays" {
    pin=$(tail -n 1 "$folder/scripts/deps.txt" | cut -d' ' -f2-)
    printf '%s\n' "openvino $pin" >>"$folder/scripts/deps.txt"
    "$folder/scripts/setup.sh" native files-only
    [ -e "$folder/.deps/thing/lib/a.so.1" ]
    [ ! -e "$folder/.deps/openvino" ]
    "$folder/scripts/setup.sh" run files-only
    [ -e "$folder/.deps/openvino/lib/a.so.1" ]
    "$folder/scripts/setup.sh" native files-only
    [ -e "$folder/.deps/openvino/lib/a.so.1" ]
}

@test "the demo without OpenVINO asks neither set-up nor yolk for it" {
    run make -n -C "$root" demo NATIVE=1
    [ "$status" -eq 0 ]
    [[ $output == *"scripts/setup.sh native"* ]]
    [[ $output == *"scripts/demo.sh build/yolk out/demo --backend native"* ]]
    for native in '' 0; do
        run make -n -C "$root" demo NATIVE=$native
        [[ $output == *"scripts/setup.sh run"* ]]
        [[ $output != *native* ]]
    done
}

@test "an unknown word is refused with what is allowed" {
    run "$folder/scripts/setup.sh" everything
    [ "$status" -eq 1 ]
    [[ $output == *"unknown word 'everything'"*"allowed are run, native, test"* ]]
}

@test "a pattern that a wheel does not match is an error" {
    run python3 "$folder/scripts/unwheel.py" "$folder/wheels/thing-1.0-py3-none-any.whl" "$folder/x" 'thing/*.dll>.'
    [ "$status" -eq 1 ]
    [[ $output == *"holds no thing/*.dll"* ]]
}
