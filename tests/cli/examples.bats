#!/usr/bin/env bats
# The examples of the C interface do what they say.
load helper

EXAMPLES=${YOLK_BUILD:-$ROOT/build}/examples

example() {
    status=0
    "$EXAMPLES/$1" "${@:2}" >out 2>err </dev/null || status=$?
}

@test "image: objects of one picture, and an annotated copy" {
    need "$MODEL"
    example image "$MODEL" "$BUS" annotated.jpg
    exits 0
    [ "$(grep -c '^person ' out)" -eq 4 ]
    [ "$(grep -c '^bus ' out)" -eq 1 ]
    [ -s annotated.jpg ]
    example image "$MODEL" missing.jpg
    exits 1
    says "missing.jpg"
}

@test "video: lines, annotated video, time by stage" {
    need "$MODEL"
    clip 6 clip.mp4
    example video "$MODEL" clip.mp4 lines.jsonl out.mp4
    exits 0
    json_lines lines.jsonl 6
    [ "$(frames_in out.mp4)" -eq 6 ]
    prints "6 frames"
    prints "infer"
}

@test "batching: as many frames at once as suit their size" {
    need "$MODEL"
    clip 10 clip.mp4
    YOLK_BATCH=8 example batching "$MODEL" clip.mp4
    exits 0
    [ "$(grep -c '^frame ' out)" -eq 10 ]
    prints "10 frames in 2 batches"
    YOLK_BATCH=3 example batching "$MODEL" clip.mp4
    prints "10 frames in 4 batches"
}

@test "config: set, checked, saved, read again" {
    example config settings.json conf 0.4 imgsz 384x640
    exits 0
    prints "its conf is 0.4"
    jq -e '.conf == 0.4 and .imgsz == [384, 640] and .queue == 16' settings.json
    example config settings.json conf 4
    exits 1
    says "conf"
}

@test "resolution: batch and scale between the rows of the table" {
    example resolution
    exits 0
    grep -q '1080p.*batch  8, annotated video at 100 %' out
    grep -q '4K.*batch  4, annotated video at  75 %' out
    grep -q '8K.*batch  2, annotated video at  50 %' out
    grep -qE '1440p.*batch  [67],' out
    grep -qE '6K.*batch  [23],' out
}

@test "sink: counts, and an end of the user's choice" {
    need "$MODEL"
    clip 10 clip.mp4
    example sink "$MODEL" clip.mp4
    exits 0
    all=$(awk '{ n += $1 } END { print n }' out)
    [ "$all" -gt 10 ]
    example sink "$MODEL" clip.mp4 5
    exits 0
    few=$(awk '{ n += $1 } END { print n }' out)
    [ "$few" -ge 5 ]
    [ "$few" -lt "$all" ]
}

@test "each example says how it is used" {
    for name in image video batching config sink; do
        example "$name"
        exits 2
        says "usage: $name"
    done
}

@test "optimize: converted, checked, compared, a page with charts" {
    need "$MODEL"
    mkdir pictures
    for number in 1 2 3 4; do cp "$BUS" "pictures/bus$number.jpg"; cp "$ZIDANE" "pictures/zidane$number.jpg"; done
    example optimize "$MODEL" pictures half.onnx fp16 report.html
    exits 0
    prints "layers in fp16"
    prints "times as fast"
    [ -s half.onnx ]
    grep -q '<svg' report.html
    example optimize "$MODEL" missing half2.onnx
    exits 1
    says "missing"
    [ ! -e half2.onnx ]
}
