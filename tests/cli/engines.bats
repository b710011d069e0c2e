#!/usr/bin/env bats
# Engines: what optimize keeps, what convert makes, and what becomes of those that do not fit.
load helper

# name, confidence and box of each detection, rounded.
found() {
    jq -c '[.detections[] | [.name, (.confidence * 100 | round), (.box[] / 2 | round)]]' out
}

needs_engines() {
    need "$MODEL"
    need "$BUS"
    mkdir models
    cp "$MODEL" models/net.pt
}

# detection with the models of this test
look() {
    yolk detect "$BUS" --models models --model net --imgsz 320 "$@"
}

@test "with --optimize a second start finds what the first one compiled" {
    needs_engines
    look
    exits 0
    found >plain
    [ ! -e models/net.engine ]
    look --optimize -v
    exits 0
    says "models/net.engine: keeps 1 frames of 320x320 as compiled"
    found | cmp - plain
    look -v
    exits 0
    says "models/net.engine: yolo26n, 80 classes"
    says ", saved"
    found | cmp - plain
    # Another size is added to it.
    yolk detect "$BUS" --models models --model net --imgsz 256 --optimize -v
    exits 0
    says "keeps 1 frames of 256x256"
    yolk detect "$BUS" --models models --model net --imgsz 256 -v
    says ", saved"
    [ "$(ls -A models | tr '\n' ' ')" = "net.engine net.pt " ]
}

@test "convert makes an engine that detection needs not compile" {
    needs_engines
    yolk convert models/net.pt -o models/net.engine --imgsz 320
    exits 0
    says "models/net.engine"
    yolk models models/net.engine --json
    exits 0
    jq -e '.[0] | .format == "engine" and (.backend | IN("native", "openvino")) and .device != "" and (.classes | length) == 80 and
        .input == {"width": 320, "height": 320} and .dynamic_size and .dynamic_batch' out
    # Which backend is the faster one is measured: what it finds is compared with its own.
    backend=$(jq -r '.[0].backend' out)
    mkdir sources
    mv models/net.pt sources
    yolk detect "$BUS" --models sources --model net --imgsz 320 --backend "$backend"
    exits 0
    found >plain
    look -v
    exits 0
    says "models/net.engine"
    says ", saved"
    found | cmp - plain
    # 16:9 video is ready as well.
    ffmpeg -nostdin -v error -f lavfi -i color=gray:s=320x180:r=5:d=0.4 clip.mp4
    yolk detect clip.mp4 --models models --model net --imgsz 320 -v --save-jsonl lines
    exits 0
    says "1x192x320"
    says ", saved"
}

@test "an engine is run by the backend that it was made for, unless another one is asked for" {
    needs_engines
    yolk convert models/net.pt -o models/net.engine --imgsz 320 --backend openvino
    [ "$status" -eq 0 ] || skip "no OpenVINO here"
    look -v
    exits 0
    says " on openvino (cpu)"
    says ", saved"
    look -v --backend native
    exits 0
    says "is for openvino and passed over: native runs it now"
    says " on native (cpu)"
    # Left alone, what is kept is for the one that was measured to be faster, and is found again.
    rm models/net.engine
    yolk convert models/net.pt -o models/net.engine --imgsz 320 -v
    exits 0
    says "a frame takes native "
    says ", openvino "
    look -v
    exits 0
    says ", saved"
}

@test "an engine's conversion is checked, and what fails the check leaves nothing" {
    needs_engines
    mkdir pictures
    cp "$BUS" "$ZIDANE" pictures
    yolk convert models/net.pt -o half.engine --precision fp16 --val pictures --imgsz 320
    exits 0
    says "boxes agree"
    yolk models half.engine
    exits 0
    prints "half.engine: compiled for "
    prints "boxes agree"
    yolk convert models/net.pt -o half.engine --precision fp16
    refused "--val"
    mkdir empty
    cp pictures/"$(basename "$BUS")" empty/black.jpg
    ffmpeg -nostdin -v error -y -f lavfi -i color=black:s=320x320 -frames:v 1 empty/black.jpg
    yolk convert models/net.pt -o none.engine --precision fp16 --val empty --imgsz 320
    refused "finds nothing in these pictures"
    [ ! -e none.engine ]
    [ -z "$(find . -name '*.tmp')" ]
}

@test "an int8 engine carries its calibration and is taken as it is" {
    needs_engines
    need "$SHARED/data/calib"
    yolk convert models/net.pt -o models/net.engine --precision int8 --calib "$SHARED/data/calib" --calib-count 2 \
        --imgsz 320 --no-validate
    exits 0
    grep -aoq '"calibration":"[0-9a-f]\{64\}"' models/net.engine
    yolk models models/net.engine --json
    jq -e '.[0] | .precision == "int8" and .check == "not checked"' out
    look -v
    exits 0
    says "models/net.engine"
    # Asked for in another precision it is passed over and stays.
    cp models/net.engine before
    look --precision fp32 --optimize
    exits 0
    says "the engine was converted to int8 and fp32 is asked for; it is passed over for models/net.pt"
    cmp before models/net.engine
}

@test "engines that do not fit are passed over with the reason, and rebuilt when asked" {
    needs_engines
    look --optimize
    found >plain
    # damaged
    printf 'x' | dd of=models/net.engine bs=1 seek=200 conv=notrunc status=none
    look
    exits 0
    says "warning: models/net.engine: the engine is damaged"
    says "it is passed over for models/net.pt"
    found | cmp - plain
    look --optimize
    exits 0
    look
    exits 0
    [ "$(wc -l <err)" -eq 1 ]
    # cut
    truncate -s 100000 models/net.engine
    look
    exits 0
    says "the engine is damaged: it has 100000 bytes"
    # of another model
    look --optimize
    printf '\0' >>models/net.pt
    look
    says "the engine was made from another net.pt than the one that is there now"
}

@test "an engine that cannot be used and has no source is refused with a sentence" {
    needs_engines
    look --optimize
    truncate -s 100000 models/net.engine
    rm models/net.pt
    look
    refused "the engine is damaged" "the .pt or .onnx that it could be made from is not there either"
    yolk models models
    exits 0
    says "cannot be used: models/net.engine: the engine is damaged"
}

@test "TensorRT's engines are passed over and left alone" {
    needs_engines
    printf 'ftrt and so on' >models/net.engine
    look --optimize
    exits 0
    says "this is a TensorRT engine"
    says "it is passed over for models/net.pt"
    [ "$(cat models/net.engine)" = "ftrt and so on" ]
    rm models/net.pt
    look
    refused "this is a TensorRT engine" "give the .pt or .onnx"
}

@test "two processes at once leave one whole engine with what both compiled" {
    needs_engines
    # By one backend: where each of the two measures for itself, they may choose different ones, and the later one wins.
    export YOLK_BACKEND=native
    "$YOLK" detect "$BUS" --models models --model net --imgsz 320 --optimize >/dev/null 2>a &
    "$YOLK" detect "$BUS" --models models --model net --imgsz 256 --optimize >/dev/null 2>b
    wait $!
    yolk detect "$BUS" --models models --model net --imgsz 320 -v
    says ", saved"
    yolk detect "$BUS" --models models --model net --imgsz 256 -v
    says ", saved"
    [ "$(ls -A models | tr '\n' ' ')" = "net.engine net.pt " ]
}

@test "a full disk leaves no engine and does not stop the run" {
    needs_engines
    [ "$(id -u)" -eq 0 ] || skip "only root can mount a small disk"
    mkdir disk
    mount -t tmpfs -o size=12m none disk 2>/dev/null || skip "no disk can be mounted here"
    cp "$MODEL" disk/net.pt
    yolk detect "$BUS" --models disk --model net --imgsz 320 --optimize
    exits 0
    says "what is compiled cannot be kept: "
    [ "$(ls -A disk)" = net.pt ]
    yolk convert disk/net.pt -o disk/net.engine --imgsz 320
    refused "disk/net.engine: "
    [ "$(ls -A disk)" = net.pt ]
}

@test "an engine can be made for another device, which takes it while others pass it over" {
    needs_engines
    look
    found >plain
    export YOLK_DUMMY=half=1
    yolk convert models/net.pt -o models/net.engine --imgsz 320 --device dummy
    exits 0
    yolk models models/net.engine --json
    jq -e '.[0] | .format == "engine" and .backend == "dummy"' out
    look --device dummy -v
    exits 0
    says "models/net.engine: yolo26n, 80 classes"
    says ", saved"
    ! grep "passed over" err || false
    found | cmp - plain
    look --device cpu
    exits 0
    says "is for dummy and passed over: native runs it now"
    found | cmp - plain
    yolk convert models/net.pt -o models/net.engine --imgsz 320 --device dummy:1
    refused "there is no device 'dummy:1'"
}
