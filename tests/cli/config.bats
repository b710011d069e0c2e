#!/usr/bin/env bats
# Settings: which layer wins, showing, checking, saving; and what the machine offers.
load helper

@test "config show prints every setting as JSON" {
    yolk config show
    exits 0
    jq -e '.conf == 0.25 and .iou == 0.45 and .max_det == 300 and .model == "yolo26n"' out
    yolk config show conf
    [ "$(cat out)" = 0.25 ]
    yolk config show cnof
    refused "cnof" "conf"
}

@test "command line over environment over file over profile over defaults" {
    echo '{"profile": "debug", "conf": 0.3, "iou": 0.5, "max_det": 50}' >settings.json
    yolk config show threads --profile debug
    from_profile=$(cat out)
    yolk config show threads
    [ "$(cat out)" != "$from_profile" ]
    yolk config show threads --config settings.json
    [ "$(cat out)" = "$from_profile" ]
    yolk config show max_det --config settings.json
    [ "$(cat out)" = 50 ]
    YOLK_CONF=0.6 YOLK_IOU=0.7 yolk config show --config settings.json --conf 0.9
    jq -e '.conf == 0.9 and .iou == 0.7 and .max_det == 50' out
    YOLK_PROFILE=debug yolk config show threads
    [ "$(cat out)" = "$from_profile" ]
    yolk config show conf --conf 0.1 --conf 0.2
    [ "$(cat out)" = 0.2 ]
    YOLK_IMGSZ=384x640 yolk config show imgsz
    [ "$(cat out)" = 384x640 ]
}

@test "every option that gives a setting gives it" {
    yolk config show --model m.onnx --models d --device cpu --backend reference --precision fp32 --head v8 \
        --classes person,car --imgsz 640 --conf 0.1 --iou 0.2 --max-det 7 --multi-label --agnostic --batch 3 \
        --threads 2 --streams 1 --warmup 0 --queue 4 --memory-limit 900 --video-scale 0.5 \
        --ensemble vote --ensemble-iou 0.6 --ensemble-weights 2,1 --ensemble-votes 2 --ensemble-merge average
    exits 0
    jq -e '.model == "m.onnx" and .models_dir == "d" and .device == "cpu" and .backend == "reference"
        and .precision == "fp32" and .head == "v8" and .classes == "person,car" and .conf == 0.1 and .iou == 0.2
        and .max_det == 7 and .multi_label and .agnostic and .batch == 3 and .threads == 2 and .streams == 1
        and .warmup == 0 and .queue == 4 and .memory_limit_mb == 900 and .video_scale == 0.5
        and .ensemble == "vote" and .ensemble_iou == 0.6 and .ensemble_weights == "2,1" and .ensemble_votes == "2"
        and .ensemble_merge == "average"' out
    yolk config show batch --batch auto
    [ "$(cat out)" = 0 ] || [ "$(cat out)" = auto ]
    yolk config show log_level -v
    [ "$(cat out)" = info ]
    yolk config show log_level -vv
    [ "$(cat out)" = debug ]
    yolk config show log_level -q
    [ "$(cat out)" = error ]
}

@test "saved settings are the same when they are read again" {
    yolk config save night.json --conf 0.15 --classes person --imgsz 384x640
    exits 0
    [ ! -s out ]
    yolk config show --config night.json
    jq -S . out >again
    jq -S . night.json | cmp - again
    yolk config validate night.json
    exits 0
    prints "night.json: valid"
    need "$MODEL"
    yolk detect "$BUS" --model "$MODEL" --config night.json --stats stats.json --save-jsonl lines.jsonl
    exits 0
    [ "$(jq -r '[.detections[].name] | unique | join(",")' lines.jsonl)" = person ]
    jq -e '.input == {"width": 640, "height": 384}' stats.json
}

@test "validate lists every fault at once" {
    echo '{"conf": 3, "iou": -1, "device": "gpu", "queue": 0}' >bad.json
    yolk config validate bad.json
    exits 1
    [ "$(wc -l <err)" -eq 4 ]
    for words in "conf: '3'" "iou: '-1'" "device: 'gpu'" "queue: '0'"; do says "bad.json: $words"; done
    yolk config show --config bad.json
    exits 1
}

@test "validate needs a file, save needs one too" {
    yolk config validate
    misused "needs a file"
    yolk config save
    misused "needs a file"
}

@test "a fault in the environment" {
    YOLK_CONF=7 yolk config show
    refused "conf" "7"
    YOLK_DEVICE=gpu yolk info
    refused "device" "gpu"
}

@test "profiles, and the one that suits this machine" {
    yolk config profiles
    exits 0
    for profile in dev_pi prod_rtx3090 debug auto; do grep -q "^$profile  *[A-Z]" out; done
    yolk config profiles --json
    jq -e 'map(.name) | index("dev_pi") and index("prod_rtx3090") and index("debug")' out
    yolk config detect
    exits 0
    [ "$(wc -l <out)" -eq 1 ]
    grep -qE '^[a-z0-9_]+: [A-Z]' out
    yolk config detect --json
    jq -e '.profile != ""' out
}

@test "info: versions, backends, memory, profile" {
    yolk info
    exits 0
    for word in "yolk " processor memory profile backends openvino reference FFmpeg h264; do prints "$word"; done
    yolk info --json
    exits 0
    jq -e '(.yolk | test("^[0-9]")) and .ffmpeg.version != "" and .ffmpeg.decoders.h264 and .cores >= 1
        and .memory.total_bytes > 0 and .profile != "" and .models_dir == "models"' out
    jq -e '[.backends[] | select(.name == "reference") | .available] == [true]' out
    # What is missing comes with a reason.
    jq -e '[.backends[] | .available or .reason != ""] | all' out
}

@test "YOLK_CPU: the native backend's instruction set, or what there is instead" {
    YOLK_CPU=portable yolk info
    exits 0
    prints ", portable"
    [ ! -s err ]
    YOLK_CPU=z80 yolk info
    exits 0
    says "YOLK_CPU=z80: this processor and this build of yolk have "
}

@test "models: a table, and JSON" {
    need "$MODEL"
    yolk models "$DEPS/models"
    exits 0
    grep -qE '^NAME +FORMAT' out
    grep -qE '^yolo26n +pt ' out
    yolk models --models "$DEPS/models" --json
    jq -e '.[0] | .name == "yolo26n" and .format == "pt" and (.classes | length) == 80 and .classes[0] == "person"
        and .input == {"width": 640, "height": 640} and .stride == 32 and .parameters > 2000000 and .bytes == 5544453' out
    yolk models "$MODEL" --json
    jq -e 'length == 1 and .[0].name == "yolo26n"' out
    # Names that are not UTF-8, or would speak to the terminal.
    mkdir odd
    ln -s "$MODEL" odd/$'a\e[31mb.pt'
    ln -s "$MODEL" odd/$'caf\xe9.pt'
    yolk models odd
    exits 0
    prints "a?[31mb"
    yolk models odd --json
    jq -e 'map(.name) | index("caf?")' out
    yolk detect "$BUS" --model odd/$'caf\xe9.pt' --imgsz 320 --stats stats.json
    exits 0
    jq -e '.model.name == "caf?"' stats.json
    mkdir empty
    yolk models empty
    exits 0
    says "empty"
    yolk models empty --json
    jq -e '. == []' out
}
