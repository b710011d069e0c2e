#!/usr/bin/env bash
# remote_gpu.sh FOLDER [NAME_int8.onnx...]: puts into FOLDER what tests the CUDA backend and measures it beside PyTorch
# on another x86-64 machine: one with an NVIDIA driver, a C library as new as this one's and, for the comparison, a
# Python with PyTorch, NumPy and PyYAML. Copy the folder there and run FOLDER/run [bench [OPTION...]]. The int8 files,
# for `run peers --int8`, are what `yolk convert NAME.pt -o NAME_int8.onnx --precision int8 --calib PICTURES` makes.
set -euo pipefail
folder=$(realpath -m "${1:?usage: remote_gpu.sh FOLDER [NAME_int8.onnx...]}")
int8=()
for file in "${@:2}"; do int8+=("$(realpath "$file")"); done
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
shared=${YOLK_SHARED:-../shared}
if [ -n "$(ls -A "$folder" 2>/dev/null)" ] && [ ! -e "$folder/commit" ]; then
    echo "remote_gpu.sh: $folder holds something else" >&2
    exit 1
fi
# Configured already, for one kind of GPU say (-DYOLK_CUDA_ARCHS=90), it stays so.
if [ -e build-gpu/build.ninja ]; then
    ninja -C build-gpu >&2
else
    scripts/build.sh build-gpu -DYOLK_CORE=ON >&2
fi
rm -rf "$folder"/{tests,bench,build,shared,.deps,site,out}
mkdir -p "$folder"/{tests,lib,wheels,bench/network,build/bench,shared/data/weights,.deps/models}
cp build-gpu/tests-gpu/test_* "$folder/tests"
cp build-gpu/bench/{network,detect}_gpu "$folder/build/bench"
strip "$folder"/tests/test_* "$folder"/build/bench/*_gpu
cp -L "$(ldconfig -p | awk '/libcmocka\.so\.0 .*x86-64/ { print $NF; exit }')" "$folder/lib"
cp bench/common.py "$folder/bench"
cp bench/network/{peers_gpu,torch_worker}.py "$folder/bench/network"
for file in "$shared"/data/weights/{yolov8n.pt,yolo26n.pt,yolo11n-dequant.onnx,yolox_nano.onnx}; do
    [ ! -f "$file" ] || cp "$file" "$folder/shared/data/weights"
done
[ ${#int8[@]} -eq 0 ] || cp "${int8[@]}" "$folder/.deps/models"
chmod -R u+w "$folder"
git describe --always --dirty >"$folder/commit"
# The other models are made there, from ultralytics' definitions, with random weights: theirs would not travel well.
ultralytics=$(grep '^ultralytics==' bench/requirements.txt)
python=$(command -v .deps/venv/bin/python3 || command -v python3)
[ -e "$folder/wheels/ultralytics-${ultralytics#*==}-py3-none-any.whl" ] ||
    "$python" -m pip download -q --no-deps --only-binary=:all: -d "$folder/wheels" "$ultralytics"

cat >"$folder/run" <<'RUN'
#!/usr/bin/env bash
# run: the tests on the GPU. run bench [OPTION...]: the tests, then peers_gpu.py. run peers [OPTION...]: only that one.
# Results go to $OUT (default: the current folder); $PYTHON (default: python3) is the one that has PyTorch.
set -uo pipefail
out=$(realpath -m "${OUT:-.}") python=${PYTHON:-python3} what=${1:-tests} status=0
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p "$out"
export LD_LIBRARY_PATH=$PWD/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export YOLK_SHARED=$PWD/shared YOLK_DEPS=$PWD/.deps YOLK_RESULTS=$out
export YOLK_GPU_MODELS=$YOLK_SHARED/data/weights
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
if [ "$what" != peers ]; then
    passed=0 failed=0 skipped=0 log=$(mktemp)
    : >"$out/tests_gpu.log"
    for test in tests/test_*; do
        CMOCKA_MESSAGE_OUTPUT=TAP timeout 240 "$test" >"$log" 2>&1
        code=$?
        cat "$log" >>"$out/tests_gpu.log"
        left=$(grep -c '^\(ok\|not ok\|1\.\.0\) .*# SKIP' "$log") # cmocka 1.1.5 calls a skipped test "not ok"
        bad=$(grep '^not ok' "$log" | grep -vc '# SKIP') good=$(grep '^ok' "$log" | grep -vc '# SKIP')
        if [ $code -ne 0 ]; then
            cat "$log"
            [ "$bad" -gt 0 ] || bad=1 # it ended before it could say so
        fi
        printf '%-28s %3d passed, %d failed, %d skipped%s\n' "${test#tests/}" "$good" "$bad" "$left" \
            "$([ $code -lt 124 ] || echo ", ended with status $code")"
        passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
    done
    rm -f "$log"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ $failed -eq 0 ] || status=1
fi
if [ "$what" != tests ]; then
    [ -e site/ultralytics ] || "$python" -m zipfile -e wheels/ultralytics-*.whl site || exit 1
    PYTHONPATH=$PWD/site PYTHONUNBUFFERED=1 "$python" bench/network/peers_gpu.py --python "$python" "${@:2}" || status=1
fi
exit $status
RUN
chmod +x "$folder/run"
du -sh "$folder"
