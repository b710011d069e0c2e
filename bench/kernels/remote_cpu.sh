#!/usr/bin/env bash
# remote_cpu.sh FOLDER [INT8-MODEL]: puts into FOLDER what tests and times the kernels on another x86-64 machine, one
# with AVX-512 say, that needs to have nothing but a C library as new as this one's: copy the folder there and run
# FOLDER/run [TIME]. It runs the unit tests for every instruction set that the processor has, then times the convolutions
# of yolo26n (and of INT8-MODEL, which `yolk convert --to onnx --precision int8` has made) on one core with each, and the
# whole network on one thread and on two, by OpenVINO too where OpenVINO's libraries are put into FOLDER/openvino.
set -euo pipefail
folder=$(realpath -m "$1") int8=$(realpath "${2:-/dev/null}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
scripts/build.sh build-core -DYOLK_CORE=ON -DYOLK_CUDA_ARCHS= >&2
mkdir -p "$folder"
cp build-core/tests/test_* build-core/bench/{conv_cpu,qconv_cpu,layers_cpu,network_alone,forward} .deps/models/yolo26n.pt "$folder"
cp -L "$(ldconfig -p | awk '/libcmocka\.so\.0 .*x86-64/ { print $NF; exit }')" "$folder"
[ ! -f "$int8" ] || cp "$int8" "$folder/int8.onnx"
strip "$folder"/test_* "$folder"/*_cpu "$folder"/{network_alone,forward}
cat >"$folder/run" <<'RUN'
#!/usr/bin/env bash
# run [TIME]: tests, then best of 20 (TIME) runs of each convolution; the last lines compare the instruction sets.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export LD_LIBRARY_PATH=$PWD
failed=0
grep -m 1 'model name' /proc/cpuinfo
for test in test_cpu_* test_pool test_plan; do
    ./$test >$test.log 2>&1 || { failed=1 && cat $test.log; }
    echo "$test: $(grep -c '^\[       OK' $test.log) passed, $(grep -c '^\[  FAILED  \] [a-z]' $test.log) failed; $(grep -o 'instruction sets tested.*' $test.log)"
done
sets=$(sed -n 's/.*instruction sets tested: \(.*\); compiled only.*/\1/p' test_cpu_conv.log)
for set in $sets; do
    taskset -c 0 ./conv_cpu yolo26n.pt 640 640 "${1:-20}" $set >conv-$set.jsonl
    [ ! -e int8.onnx ] || taskset -c 0 ./qconv_cpu int8.onnx 640 640 "${1:-20}" $set >qconv-$set.jsonl
done
# The sum over a network's convolutions of the fastest kernel's time.
for set in $sets; do
    awk -v set=$set '
        function of(key) { match($0, "\"" key "\": [^,}]*"); return substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 4) }
        { shape = $0; sub(/.*"in"/, "", shape); sub(/"times".*/, "", shape)
          ms = of("ms") + 0; times = of("times") + 0; bound = of("bound_gflops") + 0
          if (!(shape in best) || ms < best[shape]) { best[shape] = ms; count[shape] = times } }
        END { for (s in best) sum += best[s] * count[s]
              printf "%-12s floats: %8.2f ms for yolo26n, bound %.1f GFLOP/s\n", set, sum, bound }' conv-$set.jsonl
    [ ! -e qconv-$set.jsonl ] || printf '%-12s bytes: %s\n' $set "$(tail -n 1 qconv-$set.jsonl)"
done
# The network, at a size whose last maps are small; on two cores that are not two halves of one.
siblings=$(cat /sys/devices/system/cpu/cpu0/topology/thread_siblings_list 2>/dev/null || echo 0)
second=1
while [[ ",${siblings/-/,}," == *",$second,"* ]]; do second=$((second + 1)); done
for set in $sets; do
    for threads in 1 2; do
        echo "$set, $threads threads: $(YOLK_CPU=$set taskset -c 0,$second ./layers_cpu yolo26n.pt 384 640 $threads 50 |
            tee layers-$set-$threads.jsonl | tail -n 1)"
    done
done
[ ! -d openvino ] || export YOLK_OPENVINO=$PWD/openvino
for round in 1 2 3; do
    for backend in native openvino; do
        [ $backend = native ] || [ -d openvino ] || continue
        for model in yolo26n.pt int8.onnx; do
            [ ! -e $model ] || echo "$model: $(taskset -c 0,$second ./network_alone $model 384 640 2 2 $backend 1 fp32 latency)"
        done
    done
done
exit $failed
RUN
chmod +x "$folder/run"
du -sh "$folder"
