#!/usr/bin/env bats
# Converting a folder of models, and engines of TensorRT.
load helper

# A folder of three models, one of which is none.
models() {
    need "$MODEL"
    mkdir models
    cp "$MODEL" models/good.pt
    head -c 100000 "$MODEL" >models/cut.pt
    cp "$MODEL" models/other.pt
}

@test "a folder: one bad file does not stop the rest, and the second run makes only what has changed" {
    models
    yolk convert models -o made --imgsz 320
    refused "cut.pt"
    prints "NAME"
    grep -q '^cut .*failed: ' out
    grep -q '^good .*made' out
    [ "$(ls made | tr '\n' ' ')" = "good.onnx other.onnx " ]
    rm models/cut.pt
    yolk convert models -o made --imgsz 320
    exits 0
    says "0 made, 2 unchanged"
    [ "$(grep -c unchanged out)" -eq 2 ]
    # Another source, another option.
    printf x >>models/other.pt
    rm made/other.onnx
    cp "$MODEL" models/other.pt
    yolk convert models -o made --imgsz 320
    exits 0
    says "1 made, 1 unchanged"
    yolk convert models -o made --imgsz 416
    says "2 made, 0 unchanged"
    yolk convert models -o made --imgsz 416 -q
    exits 0
    [ ! -s err ] && [ ! -s out ]
}

@test "a folder without -o" {
    models
    rm models/cut.pt
    yolk convert models --imgsz 320
    exits 0
    [ -s models/onnx-fp32/good.onnx ]
    mkdir empty
    yolk convert empty
    refused "empty" "no .pt or .onnx"
}

# An interpreter that builds the first engine at once and never ends with the second one.
slow_python() {
    need "$MODEL"
    mkdir models
    cp "$MODEL" models/good.pt
    cp "$MODEL" models/other.pt
    cat >python <<'P'
#!/bin/sh
echo "@library fake_trt 1.0 sm_86" >&2
[ $# -eq 3 ] && exit 0
if [ -e first ] && [ ! -e quick ]; then
    printf half
    echo $$ >second
    exec sleep 600
fi
touch first
printf plan
echo "@done 4" >&2
P
    chmod +x python
    export YOLK_PYTHON=$PWD/python
    arguments=(convert models -o made --to tensorrt --gpu sm_86 --no-validate)
}

# Ends a conversion with a signal while the second model is being made.
end_with() {
    status=0
    set -m
    "$YOLK" "${arguments[@]}" >out 2>err &
    local job=$!
    set +m
    for _ in $(seq 600); do
        [ -s second ] && break
        sleep 0.1
    done
    kill -s "$1" $job
    wait $job || status=$?
}

# What was started is gone, too.
child_is_gone() {
    for _ in $(seq 100); do
        kill -0 "$(cat second)" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

# The result of the next run: the rest is made, what was there is left alone, nothing else lies about.
goes_on() {
    touch quick
    yolk "${arguments[@]}"
    exits 0
    says "1 made, 1 unchanged"
    [ "$(ls -A made | tr '\n' ' ')" = ".yolk-convert.json good.engine other.engine " ]
    [ "$(tail -c 4 made/other.engine)" = plan ]
}

@test "SIGINT in the middle: what was made stays, the rest is made by the next run" {
    slow_python
    end_with INT
    exits 130
    child_is_gone
    grep -q '^good .*made' out
    grep -q '^other .*failed: .*stopped' out
    [ "$(ls -A made | tr '\n' ' ')" = ".yolk-convert.json good.engine " ]
    [ "$(tail -c 4 made/good.engine)" = plan ]
    goes_on
}

@test "kill -9 in the middle: nothing half-written can be loaded" {
    slow_python
    end_with KILL
    [ "$status" -eq 137 ]
    child_is_gone
    [ "$(ls made)" = good.engine ]
    # What it left is hidden, and goes with the next run when nobody has written to it for a while.
    find made -name '.yolk-*.tmp' -exec touch -d '2 hours ago' {} +
    goes_on
}

@test "a full disk" {
    models
    rm models/cut.pt
    [ "$(id -u)" -eq 0 ] || skip "only root can mount a small disk"
    mkdir disk
    mount -t tmpfs -o size=14m tmpfs disk 2>/dev/null || {
        rmdir disk
        skip "mounting is not permitted here"
    }
    yolk convert models -o disk --imgsz 320
    exits 1
    says "space"
    [ "$(ls disk)" = good.onnx ]
    [ "$(ls -A disk | grep -c tmp || true)" -eq 0 ]
    rm models/good.pt
    rm disk/good.onnx
    yolk convert models -o disk --imgsz 320
    exits 0
    [ "$(ls disk)" = other.onnx ]
}

@test "TensorRT: what is wrong is said" {
    need "$MODEL"
    yolk convert "$MODEL" --gpu sm_86
    misused "--to tensorrt"
    yolk convert "$MODEL" --to tensort
    misused "onnx, engine, tensorrt"
    yolk convert "$MODEL" --to tensorrt --gpu sm_86 --batch 1,2
    misused "--batch"
    yolk convert "$MODEL" --batch 4
    misused "--to tensorrt"
    yolk convert "$MODEL" --to tensorrt --gpu sm_86 --dynamic
    misused "--dynamic"
    yolk convert "$MODEL" -o x.onnx --symmetric
    misused "--precision int8"
    yolk convert "$MODEL" --to tensorrt --gpu rtx --no-validate -o x.engine
    refused "sm_86"
    yolk convert "$MODEL" --to tensorrt --gpu sm_86 --no-validate -o x.onnx
    refused ".engine"
    printf '#!/bin/sh\necho @missing >&2\nexit 1\n' >python
    chmod +x python
    YOLK_PYTHON=$PWD/python yolk convert "$MODEL" --to tensorrt --gpu sm_86 --no-validate -o x.engine
    refused "pip install tensorrt-rtx-cu13-libs"
    [ ! -e x.engine ]
}

@test "TensorRT: an engine for an RTX 3090" {
    need "$MODEL"
    [ -d "$DEPS/tensorrt" ] || skip "TensorRT-RTX is not in .deps"
    python3 -c "import sys; sys.exit(0 if __import__('os').path.isdir('$DEPS/tensorrt.cp%d%d' % sys.version_info[:2]) else 1)" ||
        skip "there is no TensorRT-RTX for this Python"
    yolk convert "$MODEL" --to tensorrt --gpu sm_86 --imgsz 320 --no-validate -o x.engine
    exits 0
    says "not checked"
    python3 - x.engine <<'P'
import json
import sys

data = open(sys.argv[1], "rb").read()
length = int.from_bytes(data[:4], "little")
facts = json.loads(data[4:4 + length])
assert facts["imgsz"] == [320, 320] and facts["stride"] == 32 and facts["batch"] == 16 and facts["task"] == "detect"
assert len(facts["names"]) == 80 and facts["names"]["5"] == "bus" and facts["args"]["dynamic"] and facts["end2end"]
assert facts["yolk"]["gpu"] == "sm_86" and facts["yolk"]["batches"] == [1, 8, 16]
assert data[4 + length:8 + length] in (b"vtrt", b"ftrt") and len(data) > 1000000
P
    yolk detect "$BUS" --model x.engine
    refused "TensorRT"
}
