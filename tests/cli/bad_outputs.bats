#!/usr/bin/env bats
# Outputs that cannot be written, and outputs that must not be.
load helper

# A disk of this many KiB at ./disk, or a reason to skip.
small_disk() {
    [ "$(id -u)" -eq 0 ] || skip "only root can mount a small disk"
    mkdir disk
    mount -t tmpfs -o size="$1k" tmpfs disk 2>/dev/null || {
        rmdir disk
        skip "mounting is not permitted here"
    }
}

@test "an output folder that does not exist" {
    need "$MODEL"
    for output in jsonl coco mot; do
        detect "$BUS" --save-$output nowhere/out.x
        refused "nowhere" "does not exist"
    done
    detect "$BIKES" --save-video nowhere/out.mp4
    refused "nowhere" "does not exist"
    detect "$BUS" --stats nowhere/stats.json
    refused "nowhere" "does not exist"
    yolk config save nowhere/config.json
    refused "nowhere"
    yolk convert "$MODEL" -o nowhere/model.onnx
    refused "nowhere"
    [ ! -e nowhere ]
}

@test "an output that is an input" {
    need "$MODEL"
    cp "$BUS" photo.jpg
    cp "$BUS" original
    ln photo.jpg link.jpg
    ln -s photo.jpg symbolic.jpg
    for output in photo.jpg ./photo.jpg link.jpg symbolic.jpg; do
        for option in --save-jsonl --save-coco --save-mot --save-video --stats; do
            detect photo.jpg $option $output
            refused "would replace"
        done
    done
    detect photo.jpg --save-video .
    refused "would replace"
    mkdir photos
    cp photo.jpg photos
    detect photos --save-video photos
    refused "would replace"
    detect photos/photo.jpg --save-video photos/
    refused "would replace"
    cmp photo.jpg original
    cmp photos/photo.jpg original
}

@test "an output that is the model or the settings file" {
    need "$MODEL"
    cp "$MODEL" model.pt
    echo '{}' >settings.json
    yolk detect "$BUS" --model model.pt --save-jsonl model.pt
    refused "would replace"
    yolk detect "$BUS" --model "$MODEL" --config settings.json --stats settings.json
    refused "would replace"
    yolk convert model.pt -o model.pt
    refused "would replace"
    cmp model.pt "$MODEL"
    [ "$(cat settings.json)" = '{}' ]
}

@test "two outputs in one place" {
    yolk detect x.jpg --save-jsonl a --save-coco a
    misused "--save-jsonl and --save-coco cannot share a"
    yolk detect x.jpg --save-jsonl - --stats -
    misused "cannot share standard output"
    yolk detect x.mp4 --save-video -
    misused "--save-video"
}

@test "an output that is a folder" {
    need "$MODEL"
    mkdir folder
    detect "$BUS" --save-jsonl folder
    refused "folder"
    yolk convert "$MODEL" -o folder
    refused "folder"
}

@test "several inputs and one annotated file" {
    need "$MODEL"
    detect "$BUS" "$ZIDANE" --save-video out.jpg
    refused "out.jpg" "folder"
    mkdir photos
    cp "$BUS" photos
    detect photos --save-video nowhere
    refused "nowhere" "folder"
    detect "$BUS" --save-video nowhere
    refused "nowhere" "folder"
    [ ! -e out.jpg ]
}

@test "an ending that no encoder knows" {
    need "$MODEL"
    clip 3 clip.mp4
    detect clip.mp4 --save-video out.xyz
    refused "out.xyz"
    [ ! -e out.xyz ]
    yolk convert "$MODEL" -o out.xyz
    refused "out.xyz"
}

@test "earlier results stay when the run cannot start" {
    need "$MODEL"
    echo earlier >lines.jsonl
    yolk detect "$BUS" --model missing.pt --save-jsonl lines.jsonl
    refused "missing.pt"
    detect missing.jpg --save-jsonl lines.jsonl
    refused "missing.jpg"
    detect "$BUS" --classes nonsense --save-jsonl lines.jsonl
    refused "nonsense"
    [ "$(cat lines.jsonl)" = earlier ]
}

@test "a full device" {
    need "$MODEL"
    for output in jsonl coco mot; do
        detect "$BUS" --save-$output /dev/full
        exits 1
        says "No space left"
        [ "$(grep -c '^yolk: ' err)" -eq 1 ]
    done
    detect "$BUS" --save-jsonl lines.jsonl --stats /dev/full
    exits 1
    says "No space left"
    json_lines lines.jsonl 1
    status=0
    "$YOLK" detect "$BUS" --model "$MODEL" --imgsz 320 >/dev/full 2>err || status=$?
    : >out
    exits 1
    says "No space left"
}

@test "a full disk: a sentence, whole lines, no half files" {
    need "$MODEL"
    small_disk 64
    head -c 61440 /dev/zero >disk/filler
    detect "$BIKES" --max-frames 60 --save-jsonl disk/lines.jsonl
    exits 1
    says "disk/lines.jsonl"
    says "space"
    [ "$(grep -c '^yolk: ' err)" -eq 1 ]
    head -n "$(wc -l <disk/lines.jsonl)" disk/lines.jsonl >whole
    json_lines whole
    rm disk/lines.jsonl
    detect "$BIKES" --max-frames 60 --save-coco disk/coco.json
    refused "disk/coco.json" "space"
    yolk convert "$MODEL" -o disk/model.onnx
    refused "disk/model.onnx" "space"
    [ "$(ls -A disk)" = filler ]
}

@test "a full disk: annotated video leaves the other results whole" {
    need "$MODEL"
    small_disk 128
    detect "$BIKES" --max-frames 100 --save-video disk/out.mp4 --save-jsonl lines.jsonl
    exits 1
    says "disk/out.mp4"
    says "space"
    json_lines lines.jsonl
    [ -z "$(ls -A disk)" ]
}

@test "a reader that goes away ends the run without a word" {
    need "$MODEL"
    status=0
    set +o pipefail
    ("$YOLK" detect "$BIKES" --model "$MODEL" --imgsz 320 --save-coco coco.json --save-jsonl - 2>err || echo $? >status) |
        head -n 1 >out
    json_lines out 1
    [ ! -s err ]
    [ "$(cat status)" -eq 1 ]
    jq -e 'length > 0' coco.json
}

@test "standard streams that are closed do not end up in files" {
    need "$MODEL"
    status=0
    "$YOLK" detect "$BUS" --model "$MODEL" --imgsz 320 --save-coco coco.json --stats stats.json >&- 2>&- || status=$?
    : >out
    : >err
    exits 0
    jq -e 'type == "array"' coco.json
    jq -e '.frames == 1' stats.json
}
