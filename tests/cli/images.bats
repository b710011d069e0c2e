#!/usr/bin/env bats
# Still pictures: the published detections, formats, folders, the options that choose what is found.
load helper

# Compares detections with lines of "name confidence x1 y1 x2 y2": 0.01 in confidence, 2 pixels.
matches() {
    jq -r '.detections[] | [.name, .confidence, .box[]] | @tsv' "$1" >found
    cat >wanted
    paste found wanted | awk '
        function off(a, b) { return a > b ? a - b : b - a }
        NF != 12 || $1 != $7 || off($2, $8) > 0.01 { bad = 1 }
        { for (i = 3; i <= 6; i++) if (off($i, $(i + 6)) > 2) bad = 1 }
        bad { print "# found, wanted: " $0; exit 1 }'
}

@test "bus.jpg: the published detections" {
    need "$MODEL"
    yolk detect "$BUS" --model "$MODEL"
    exits 0
    json_lines out 1
    # From the original network, square 640; boxes end at the picture's edges.
    matches out <<'END'
bus 0.9253 5.6 228.9 807.2 749.2
person 0.9151 46.6 398.7 237.0 901.7
person 0.8991 223.1 405.3 345.2 863.1
person 0.8602 668.6 391.2 810.0 879.7
person 0.5253 0.0 553.8 64.8 874.0
END
}

@test "zidane.jpg: the published detections" {
    need "$MODEL"
    yolk detect "$ZIDANE" --model "$MODEL"
    exits 0
    matches out <<'END'
person 0.9185 745.2 40.3 1149.9 710.6
person 0.9030 119.9 201.8 987.4 713.5
tie 0.5297 433.6 430.7 525.5 714.8
END
}

@test "bus.jpg: yolov8n from a checkpoint and from ONNX" {
    need "$SHARED/data/weights/yolov8n.pt"
    for model in yolov8n.pt yolov8n.onnx; do
        yolk detect "$BUS" --model "$SHARED/data/weights/$model"
        exits 0
        jq -r '.detections[] | "\(.name) \(.confidence)"' out | awk '
            { split("0.890 0.883 0.878 0.843 0.436", wanted, " "); d = $2 - wanted[NR] }
            d > 0.01 || d < -0.01 || ($1 == "bus") != (NR == 4) { bad = 1 }
            END { exit bad || NR != 5 }' || { show; return 1; }
    done
}

@test "the reference backend finds the same" {
    need "$MODEL"
    detect "$BUS"
    cp out fast
    detect "$BUS" --backend reference
    exits 0
    jq -r '.detections[] | [.name, .confidence, .box[]] | @tsv' fast | matches out
}

@test "a model by its name" {
    need "$MODEL"
    yolk detect "$BUS" --model yolo26n --models "$DEPS/models" --imgsz 320
    exits 0
    json_lines out 1
    ln -s "$DEPS/models" models
    yolk detect "$BUS" --imgsz 320
    exits 0
    json_lines out 1
}

@test "formats: PNG, WebP, BMP, TIFF" {
    need "$MODEL"
    for ending in png webp bmp tiff; do
        ffmpeg -nostdin -v error -i "$BUS" bus.$ending || continue
        detect bus.$ending
        exits 0
        [ "$(jq '.detections | length' out)" -ge 3 ]
    done
    [ -e bus.png ] && [ -e bus.bmp ]
}

@test "orientation in the metadata is honoured" {
    need "$MODEL"
    # The picture on its side, and an Exif block that says so (orientation 6: turn clockwise).
    ffmpeg -nostdin -v error -i "$BUS" -vf transpose=cclock -q:v 2 side.jpg
    {
        head -c 2 side.jpg
        printf '\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
        tail -c +3 side.jpg
    } >upright.jpg
    detect upright.jpg
    exits 0
    [ "$(jq '[.detections[] | select(.name == "person")] | length' out)" -ge 3 ]
    [ "$(jq '[.detections[].box[3]] | max > 810' out)" = true ]
}

@test "a folder: its pictures by name, each with its source" {
    need "$MODEL"
    mkdir photos
    cp "$ZIDANE" photos/a.jpg
    cp "$BUS" photos/b.jpg
    : >photos/notes.txt
    detect photos
    exits 0
    json_lines out 2
    [ "$(jq -r .source out | tr '\n' ' ')" = "photos/a.jpg photos/b.jpg " ]
    says "2 frames"
    detect photos/b.jpg photos/a.jpg
    [ "$(jq -r .source out | tr '\n' ' ')" = "photos/b.jpg photos/a.jpg " ]
    detect photos/a.jpg
    [ "$(jq 'has("source")' out)" = false ]
}

@test "conf, max-det, classes" {
    need "$MODEL"
    detect "$BUS" --conf 0.8
    [ "$(jq '[.detections[].confidence] | min >= 0.8' out)" = true ]
    detect "$BUS" --conf 0.01
    [ "$(jq '.detections | length' out)" -gt 5 ]
    detect "$BUS" --conf 0.01 --max-det 2
    [ "$(jq '.detections | length' out)" -eq 2 ]
    detect "$BUS" --classes bus
    [ "$(jq -r '[.detections[].name] | unique | join(",")' out)" = bus ]
    detect "$BUS" --classes 0,bus
    [ "$(jq -r '[.detections[].name] | unique | join(",")' out)" = bus,person ]
}

@test "detections come by falling confidence" {
    need "$MODEL"
    detect "$BUS" --conf 0.01
    [ "$(jq '[.detections[].confidence] | . == (sort | reverse)' out)" = true ]
}

@test "crop: only what lies in it, in pixels of the whole picture" {
    need "$MODEL"
    detect "$BUS" --crop 0,380,400,560
    exits 0
    [ "$(jq '.detections | length' out)" -ge 2 ]
    [ "$(jq '[.detections[].box | .[0] >= 0 and .[1] >= 380 and .[2] <= 400 and .[3] <= 940] | all' out)" = true ]
    jq -r '.detections[] | select(.name == "person") | .box[1]' out | awk '$1 > 380 && $1 < 430 { good = 1 } END { exit !good }'
}

@test "eye: one half, in pixels of the whole picture" {
    need "$MODEL"
    ffmpeg -nostdin -v error -i "$ZIDANE" -i "$BUS" -filter_complex \
        '[0]scale=640:640[a];[1]scale=640:640[b];[a][b]hstack' stereo.png
    detect stereo.png --eye left
    exits 0
    [ "$(jq -r '[.detections[].name] | index("bus")' out)" = null ]
    [ "$(jq '[.detections[].box[2]] | max <= 640' out)" = true ]
    detect stereo.png --eye right
    [ "$(jq -r '.detections | map(.name) | index("bus") != null' out)" = true ]
    [ "$(jq '[.detections[].box[0]] | min >= 640' out)" = true ]
    ffmpeg -nostdin -v error -i "$ZIDANE" -i "$BUS" -filter_complex \
        '[0]scale=640:640[a];[1]scale=640:640[b];[a][b]vstack' stacked.png
    detect stacked.png --eye bottom
    [ "$(jq '[.detections[].box[1]] | min >= 640' out)" = true ]
    detect stacked.png --eye top
    [ "$(jq '[.detections[].box[3]] | max <= 640' out)" = true ]
}

@test "imgsz: square for stills, the aspect with --rect, height x width" {
    need "$MODEL"
    shape() { jq -r '"\(.input.height)x\(.input.width)"' stats.json; }
    yolk detect "$BUS" --model "$MODEL" --stats stats.json
    [ "$(shape)" = 640x640 ]
    yolk detect "$BUS" --model "$MODEL" --imgsz 320 --stats stats.json
    [ "$(shape)" = 320x320 ]
    yolk detect "$BUS" --model "$MODEL" --imgsz 320 --rect --stats stats.json
    [ "$(shape)" = 320x256 ]
    yolk detect "$ZIDANE" --model "$MODEL" --imgsz 320 --rect --stats stats.json
    [ "$(shape)" = 192x320 ]
    yolk detect "$BUS" --model "$MODEL" --imgsz 416x320 --stats stats.json
    [ "$(shape)" = 416x320 ]
}

@test "annotated copies in a folder" {
    need "$MODEL"
    mkdir photos annotated
    cp "$ZIDANE" photos/a.jpg
    cp "$BUS" photos/b.jpg
    detect photos --save-video annotated --save-jsonl lines.jsonl
    exits 0
    [ "$(ls annotated | tr '\n' ' ')" = "a.jpg b.jpg " ]
    [ "$(cmp -s annotated/b.jpg photos/b.jpg && echo same)" != same ]
    [ "$(ffprobe -v error -show_entries stream=width,height -of csv=p=0 annotated/b.jpg)" = 810,1080 ]
}

@test "statistics for Prometheus" {
    need "$MODEL"
    detect "$BUS" "$ZIDANE" --prometheus yolk.prom
    exits 0
    [ ! -s out ]
    grep -qx 'yolk_frames_total{model="yolo26n"} 2' yolk.prom
    grep -q '^yolk_device_up{model="yolo26n",device="cpu[:0-9]*"} 1$' yolk.prom
    [ "$(ls -A | grep -c 'prom\|tmp')" -eq 1 ]
    detect "$BUS" --prometheus -
    exits 2
    says "--prometheus cannot write to standard output"
    detect "$BUS" --prometheus no/such/folder/yolk.prom
    exits 1
    says "does not exist"
    # The same file for two things would hold either.
    detect "$BUS" --prometheus both --stats both
    exits 2
}

@test "statistics" {
    need "$MODEL"
    detect "$BUS" "$ZIDANE" --stats stats.json --save-jsonl lines.jsonl
    exits 0
    jq -e '.frames == 2 and .sources == 2 and .failed_sources == 0 and .status == "OK" and .seconds > 0 and .fps > 0
        and .model.name == "yolo26n" and .model.format == "pt" and .backend != "" and .batch >= 1
        and .memory_peak_bytes > 10000000 and .input == {"width": 320, "height": 320}' stats.json
    jq -e '.stages | keys == ["decode", "infer", "output", "postprocess", "preprocess"]' stats.json
    jq -e '[.stages[] | .mean_ms >= 0 and .p50_ms <= .p99_ms and .frames == 2] | all' stats.json
    [ "$(jq .detections stats.json)" -eq "$(jq -s '[.[].detections | length] | add' lines.jsonl)" ]
    jq -e '([.batch_sizes[].batches] | add) == .batches and ([.devices[].frames] | add) == 2
        and (.devices[] | .name != "" and .busy_seconds > 0 and .lost == false)' stats.json
    jq -e '.memory_limit_bytes == 0 and .memory_available_bytes > 0 and .memory_bytes <= .memory_peak_bytes
        and [.memory_steps[].step] == ["start", "load", "run"]' stats.json
    # Statistics alone: nothing else is asked for, nothing else is written.
    detect "$BUS" --stats -
    jq -e '.frames == 1' out
}

@test "quiet and verbose" {
    need "$MODEL"
    detect "$BUS" --quiet
    exits 0
    [ ! -s err ]
    detect "$BUS"
    exits 0
    [ "$(wc -l <err)" -eq 1 ] || { show && return 1; }
    says "1 frame in"
    detect "$BUS" -v
    [ "$(wc -l <err)" -gt 1 ]
    detect missing.jpg -q
    refused "missing.jpg"
}

@test "COCO results: the image id is the number in the name" {
    need "$MODEL"
    mkdir photos
    cp "$BUS" photos/000000000139.jpg
    cp "$ZIDANE" photos/000000000285.jpg
    detect photos --save-coco coco.json
    exits 0
    [ ! -s out ]
    jq -e 'map(.image_id) | unique == [139, 285]' coco.json
    jq -e 'all(.[]; (.bbox | length == 4) and .score > 0 and .category_id >= 0 and .bbox[2] > 0)' coco.json
}

@test "multi-label gives more labels, never fewer" {
    need "$SHARED/data/weights/yolov8n.pt"
    count() {
        yolk detect "$BUS" --model "$SHARED/data/weights/yolov8n.pt" --imgsz 320 --conf 0.01 "$@"
        jq '.detections | length' out
    }
    one=$(count)
    many=$(count --multi-label)
    agnostic=$(count --agnostic)
    [ "$many" -ge "$one" ]
    [ "$agnostic" -le "$one" ]
}
