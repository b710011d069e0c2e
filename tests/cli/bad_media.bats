#!/usr/bin/env bats
# Pictures, videos and settings files that are damaged: one sentence, exit status 1, what could be read is kept.
load helper

noise() {
    tail -c "$1" "$BUS"
}

@test "picture: missing, empty, random, not a picture" {
    need "$MODEL"
    detect missing.jpg
    refused "missing.jpg"
    : >empty.jpg
    noise 50000 >random.jpg
    echo "not a picture" >text.png
    for file in empty.jpg random.jpg text.png; do
        detect $file
        refused "$file"
        [ ! -s out ]
    done
}

@test "picture: cut short" {
    need "$MODEL"
    head -c 60000 "$BUS" >cut.jpg
    detect cut.jpg
    refused "cut.jpg"
    head -c 300 "$BUS" >cut.jpg
    detect cut.jpg
    refused "cut.jpg"
}

@test "picture: one bad among good ones does not stop them" {
    need "$MODEL"
    mkdir photos
    cp "$BUS" photos/a.jpg
    noise 5000 >photos/b.jpg
    cp "$ZIDANE" photos/c.jpg
    detect photos
    refused "b.jpg"
    [ "$(jq -r .source out | xargs -n1 basename | tr '\n' ' ')" = "a.jpg c.jpg " ]
    detect missing.jpg photos/a.jpg
    refused "missing.jpg"
    json_lines out 1
}

@test "folder: nothing in it to look at" {
    need "$MODEL"
    mkdir empty
    detect empty
    refused "empty"
    : >empty/notes.txt
    detect empty
    refused "empty"
}

@test "video: missing, empty, random" {
    need "$MODEL"
    detect missing.mp4
    refused "missing.mp4"
    : >empty.mp4
    noise 50000 >random.mp4
    for file in empty.mp4 random.mp4; do
        detect $file
        refused "$file"
    done
}

@test "video: without a video stream" {
    need "$MODEL"
    ffmpeg -nostdin -v error -f lavfi -i sine=duration=1 sound.mp4
    detect sound.mp4
    refused "sound.mp4" "video"
    ffmpeg -nostdin -v error -f lavfi -i sine=duration=1 sound.wav
    detect sound.wav
    refused "sound.wav"
}

@test "video: cut in the middle keeps what came before, and says so" {
    need "$MODEL"
    clip 20 whole.mkv
    head -c $(($(stat -c %s whole.mkv) * 6 / 10)) whole.mkv >cut.mkv
    detect cut.mkv --save-jsonl cut.jsonl --save-video cut_out.mp4 --save-coco cut.json
    exits 1
    says "cut.mkv"
    json_lines cut.jsonl
    lines=$(wc -l <cut.jsonl)
    [ "$lines" -ge 5 ] && [ "$lines" -lt 20 ]
    [ "$(frames_in cut_out.mp4)" -eq "$lines" ]
    jq -e 'type == "array"' cut.json
}

@test "video: cut before its index" {
    need "$MODEL"
    clip 20 whole.mp4
    head -c $(($(stat -c %s whole.mp4) / 2)) whole.mp4 >cut.mp4
    detect cut.mp4
    refused "cut.mp4"
}

@test "video: cut after its index" {
    need "$MODEL"
    clip 20 whole.mp4 -movflags faststart
    head -c $(($(stat -c %s whole.mp4) * 6 / 10)) whole.mp4 >cut.mp4
    detect cut.mp4 --save-jsonl cut.jsonl
    exits 1
    says "cut.mp4"
    json_lines cut.jsonl
    [ "$(wc -l <cut.jsonl)" -ge 5 ]
}

@test "video: the size changes in the middle" {
    need "$MODEL"
    clip 5 a.h264
    clip 5 b.h264 -vf scale=320:240
    cat a.h264 b.h264 >both.h264
    detect both.h264 --save-jsonl lines.jsonl --save-video out.mp4
    exits 0
    json_lines lines.jsonl 10
    [ "$(frames_in out.mp4)" -eq 10 ]
    # Boxes of the second part are in its own pixels.
    [ "$(jq -s '[.[5:][].detections[].box[2]] | max <= 320' lines.jsonl)" = true ]
}

@test "y4m on standard input: nothing, and something else" {
    need "$MODEL"
    detect -
    refused "standard input"
    status=0
    noise 100000 | "$YOLK" detect - --model "$MODEL" >out 2>err || status=$?
    refused "standard input"
}

@test "y4m on standard input: cut in the middle" {
    need "$MODEL"
    clip 6 small.mp4 -vf scale=160:128
    ffmpeg -nostdin -v error -i small.mp4 -f yuv4mpegpipe - 2>/dev/null | head -c 140000 >cut.y4m
    status=0
    "$YOLK" detect - --model "$MODEL" --imgsz 160 <cut.y4m >out 2>err || status=$?
    exits 1
    says "standard input"
    json_lines out 4
}

@test "settings: missing, empty, cut short, random, not settings" {
    yolk config show --config missing.json
    refused "missing.json"
    : >empty.json
    echo '{"conf": 0.4, "iou"' >cut.json
    noise 1000 >random.json
    echo '[1, 2]' >list.json
    echo '{"conf": "high"}' >type.json
    for file in empty cut random list type; do
        yolk config show --config $file.json
        refused "$file.json"
        yolk detect "$BUS" --config $file.json
        refused "$file.json"
        yolk config validate $file.json
        refused "$file.json"
    done
}

@test "settings: an unknown field, and the nearest" {
    echo '{"cnof": 0.4}' >typo.json
    yolk config validate typo.json
    refused "typo.json" "cnof" "conf"
}

@test "class: unknown, and the nearest" {
    need "$MODEL"
    detect "$BUS" --classes persn
    refused "persn" "person"
    detect "$BUS" --classes person,80
    refused "80"
    detect "$BUS" --classes zzzzzzzz
    refused "zzzzzzzz"
}

@test "device: one that is not there" {
    need "$MODEL"
    detect "$BUS" --device cuda
    refused "cuda"
}

@test "crop: outside the frame" {
    need "$MODEL"
    detect "$BUS" --crop 2000,0,100,100
    refused "crop"
}
