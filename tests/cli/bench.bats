#!/usr/bin/env bats
# Measuring: tables, JSON, pages, and what is refused.
load helper

# A quick benchmark of the demo's model.
bench() {
    yolk bench "$MODEL" --imgsz 160 --runs 3 "$@"
}

@test "a model: a table on standard output, a summary on standard error" {
    need "$MODEL"
    bench --batch 1,2
    exits 0
    [ "$(wc -l <out)" -eq 3 ]
    grep -q '^INPUT  *BATCH  *RUNS  *FPS' out
    grep -qE '^160x160 +1 +3 ' out
    grep -qE '^160x160 +2 +3 ' out
    says "yolo26n: fp32"
}

@test "several sizes, as JSON in place of the table" {
    need "$MODEL"
    yolk bench "$MODEL" --imgsz 96x160,64 --batch 1 --runs 2 --json -
    exits 0
    jq -e '.kind == "benchmark" and ([.rows[] | .input] == [{"width":160,"height":96}, {"width":64,"height":64}])' out
    jq -e '.rows[0] | .runs == 2 and .call_ms.p50 > 0 and .first_ratio > 0 and (.calls_ms | length) == 2' out
}

@test "steps and the largest layers" {
    need "$MODEL"
    bench --batch 1 --steps --json steps.json
    exits 0
    prints "compile"
    prints "LAYER"
    prints "alive at once"
    jq -e '.memory | (.steps | length) == 4 and (.largest_layers | length) == 10' steps.json
}

@test "on pictures" {
    need "$MODEL"
    need "$BUS"
    mkdir pictures
    cp "$BUS" "$ZIDANE" pictures
    yolk bench "$MODEL" --imgsz 320 --batch 1 --runs 2 --val pictures --json -
    exits 0
    jq -e '.pictures == {"path": "pictures", "count": 2} and .rows[0].detections > 0' out
}

@test "time may be limited" {
    need "$MODEL"
    yolk bench "$MODEL" --imgsz 160 --batch 1 --runs 100000 --seconds 0.2
    exits 0
    grep -qE '^160x160 +1 +[0-9]+\* ' out
    prints "the time allowed (0.2 s) was over"
}

@test "a video, against decoding alone and the network alone" {
    need "$MODEL"
    need "$BIKES"
    yolk bench "$BIKES" --model "$MODEL" --imgsz 160 --max-frames 12 --json video.json --report video.html
    exits 0
    prints "decoding alone"
    prints "whole pipeline"
    prints "postprocess"
    says "12 frames of 640x272"
    jq -e '.frames == 12 and .rounds == 3 and .decode.fps > 0 and .stages.infer.frames == 36' video.json
    grep -q '</html>' video.html
}

@test "two models side by side" {
    need "$MODEL"
    need "$BUS"
    yolk convert "$MODEL" -o two.onnx -q
    mkdir pictures
    cp "$BUS" "$ZIDANE" pictures
    yolk compare "$MODEL" two.onnx --imgsz 640 --runs 4 --val pictures --json compare.json
    exits 0
    prints "B is "
    prints "100.0% of"
    jq -e '.found.agreement == 1 and .found.score_difference < 0.001 and .speedup.median > 0' compare.json
    jq -e '.a.model.format == "pt" and .b.model.format == "onnx"' compare.json
}

@test "an engine, whose layers are inside it" {
    need "$MODEL"
    yolk convert "$MODEL" -o fast.engine --imgsz 160 -q
    exits 0
    bench --batch 1 --json pt.json
    yolk bench fast.engine --imgsz 160 --runs 3 --batch 1,2 --steps --json engine.json
    exits 0
    jq -e '.model.format == "engine" and ([.rows[].batch] == [1, 2]) and (.memory.largest_layers | length) == 10' \
        engine.json
}

@test "pages as a browser shows them" {
    browser=$(command -v chromium || command -v google-chrome || true)
    [ -n "$browser" ] || skip "no chromium is installed, with which the pages are looked at"
    need "$MODEL"
    need "$BUS"
    mkdir pictures
    cp "$BUS" pictures
    bench --batch 1,2 --steps --report bench.html
    exits 0
    yolk compare "$MODEL" "$MODEL" --imgsz 160 --runs 4 --val pictures --report compare.html
    exits 0
    for page in bench:7 compare:7; do
        # Messages of the page itself, such as what it could not load, are marked so.
        timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" \
            --enable-logging=stderr --v=0 --dump-dom "file://$PWD/${page%:*}.html" >dom 2>log
        ! grep -q 'CONSOLE' log || { grep CONSOLE log; return 1; }
        [ "$(grep -o '<svg' dom | wc -l)" -eq "${page#*:}" ]
        grep -q '<footer>Measured by yolk' dom
        # At a phone's width the page itself does not scroll sideways; what it is that wide is asked of the browser.
        sed 's|</body>|<script>document.title = document.documentElement.scrollWidth</script></body>|' \
            "${page%:*}.html" >narrow.html
        timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" \
            --window-size=500,900 --dump-dom "file://$PWD/narrow.html" >dom 2>log
        width=$(grep -o '<title>[0-9]*</title>' dom | head -n 1 | tr -dc 0-9)
        [ "$width" -le 500 ] || { echo "# ${page%:*} is $width wide"; return 1; }
    done
}

@test "Ctrl-C keeps the rows that are done" {
    need "$MODEL"
    "$YOLK" bench "$MODEL" --imgsz 64 --batch 1,256 --warmup 0 --runs 50 --verbose >out 2>err &
    # The model is read once to look at it and once for each row.
    for ((i = 0; i < 600; i++)); do
        [ "$(grep -c 'made for 640x640' err)" -lt 3 ] || break
        sleep 0.1
    done
    status=0
    kill -INT $!
    wait $! || status=$?
    exits 130
    grep -qE '^64x64 +1 +50 ' out
    ! grep -qE '^64x64 +256' out
}

@test "what is misused" {
    yolk bench
    misused "bench needs a model, or a video"
    yolk compare a.pt
    misused "compare needs two models"
    yolk bench a.pt --batch 1,zwei
    misused "--batch" "zwei"
    yolk bench a.pt --batch 1,,2
    misused "--batch"
    yolk bench a.pt --imgsz 320,0x3
    misused "--imgsz" "0x3"
    yolk bench a.pt --runs 0
    misused "--runs" "'0'"
    yolk bench a.pt --seconds soon
    misused "--seconds" "soon"
    yolk bench a.pt --model b.pt
    misused "--model is for a video"
    : >clip.mp4
    yolk bench clip.mp4 --steps
    misused "clip.mp4 is a video"
    yolk bench a.pt --json x --report x
    misused "cannot share x"
    yolk bench a.pt --report -
    misused "--report needs a file name"
}

@test "what is not there, before anything is measured" {
    yolk bench absent.pt
    refused "absent.pt"
    yolk compare absent.pt absent.pt
    refused "absent.pt"
    yolk bench absent.pt --report nowhere/x.html
    refused "nowhere does not exist"
    : >clip.mp4
    yolk bench clip.mp4 --json clip.mp4
    refused "would replace an input"
    yolk bench clip.mp4 --model absent.pt
    refused "absent.pt"
}
