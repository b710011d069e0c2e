# bench/network/peers_gpu.py with programs that only speak its protocol: what is told, counted and said of failures.

setup() {
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    folder=$(mktemp -d)
    export YOLK_RESULTS=$folder YOLK_SHARED=$folder/shared
    mkdir -p "$folder/shared/data/weights" "$folder/bench"
    touch "$folder/shared/data/weights/yolov8n.pt"
    program network_gpu '{"compile_s": 1, "memory_mb": 2, "bound_ms": 0.25}' 0.5
    program python '{"ready_s": 1, "memory_mb": 2, "torch": "9.9"}' 1.5
}

teardown() {
    rm -rf "$folder"
}

program() { # NAME FIRST-LINE MS: writes what it was started with and told into a file, and ends on 7
    cat >"$folder/bench/$1" <<P
#!/usr/bin/env bash
echo "start \$*" >>"$folder/$1.told"
echo '$2'
while read -r n more; do
    echo "\$n \$more" >>"$folder/$1.told"
    [ "\$n" != 7 ] || exit 3
    echo "{\"median_ms\": $3, \"least_ms\": 0.1, \"runs\": \$n}"
done
P
    chmod +x "$folder/bench/$1"
}

peers() {
    run python3 "$root/bench/network/peers_gpu.py" --yolk "$folder/bench" --python "$folder/bench/python" \
        --models yolov8n --shapes 64x96 --rounds 2 "$@"
}

@test "both sides are told in turn, and the table has their ratio and the bound" {
    peers --batches 1 8 --replays 3
    [ "$status" -eq 0 ]
    [[ $output == *'| yolov8n | 64x96 | 8     | 1.500       | 1.500          | 0.500    | 3.00           | 3.00'*'| 0.250     | 2.00'* ]]
    grep -q "^start .*/yolov8n.pt 64 96 8 fp16$" "$folder/network_gpu.told"
    [ "$(grep -c '^3 *$' "$folder/network_gpu.told")" -eq 6 ] # a round more than is counted, two batches
    grep -q "^start .*/yolov8n.pt 64 96 1,8 fp16 --head both" "$folder/python.told"
    [ "$(grep -c '^3 8 raw' "$folder/python.told")" -eq 3 ]
    [ "$(grep -c '^3 1 decoded' "$folder/python.told")" -eq 3 ]
    python3 - "$folder/peers_gpu.json" <<'P'
import json, sys
result = json.load(open(sys.argv[1]))
assert result["torch"] == "9.9" and result["failures"] == [] and len(result["rows"]) == 2
row = result["rows"][0]
assert (row["weights"], row["medians"]["raw"], row["raw_over_yolk"]) == ("trained", [1.5, 1.5], 3.0), row
P
}

@test "int8 is compared with half precision, from its own file" {
    touch "$folder/shared/data/weights/yolov8n_int8.onnx"
    peers --int8
    [ "$status" -eq 0 ]
    grep -q "^start .*/yolov8n_int8.onnx 64 96 16 int8$" "$folder/network_gpu.told"
    [[ $output == *'| int8 / fp16 |'* ]]
    [ ! -e "$folder/python.told" ]
    [ -e "$folder/peers_gpu_int8.json" ]
}

@test "a side that does not start leaves the other one measured, and the run fails with its words" {
    printf '#!/bin/sh\necho "network_gpu: no GPU" >&2\nexit 1\n' >"$folder/bench/network_gpu"
    peers --batches 1
    [ "$status" -eq 1 ]
    [[ $output == *'| yolov8n | 64x96 | 1     | 1.500       | 1.500          | -  '* ]]
    [[ $output == *'network_gpu yolov8n.pt 64 96 1 fp16: network_gpu: no GPU'* ]]
    rm "$folder/bench/python"
    peers --batches 1
    [ "$status" -eq 1 ]
    [[ $output == *'No such file or directory'* ]]
}

@test "a program that dies while it is asked is named with its status" {
    peers --batches 1 --replays 7
    [ "$status" -eq 1 ]
    [[ $output == *'network_gpu yolov8n.pt 64 96 1 fp16: no answer, status 3'* ]]
}
