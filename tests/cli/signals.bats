#!/usr/bin/env bats
# Ctrl-C: exit status 130, every file whole and closed; and the progress line.
load helper

# Runs yolk over a long video until some lines are written, then sends it a signal.
interrupt() {
    local name=$1
    shift
    status=0
    # Job control gives the job a Ctrl-C that it can hear.
    set -m
    "$YOLK" detect "$BIKES" --loop 1000 --model "$MODEL" --imgsz 320 --save-jsonl lines.jsonl "$@" >out 2>err &
    local job=$!
    set +m
    for _ in $(seq 300); do
        [ -s lines.jsonl ] && [ "$(wc -l <lines.jsonl)" -ge 10 ] && break
        sleep 0.1
    done
    kill -s "$name" $job
    wait $job || status=$?
}

@test "SIGINT: 130, and every file is whole" {
    need "$MODEL"
    interrupt INT --save-video out.mp4 --save-coco coco.json --save-mot mot.txt --stats stats.json
    exits 130
    json_lines lines.jsonl
    lines=$(wc -l <lines.jsonl)
    [ "$lines" -ge 10 ]
    [ "$(frames_in out.mp4)" -eq "$lines" ]
    jq -e 'length > 0' coco.json
    [ -s mot.txt ]
    jq -e ".frames == $lines and .status == \"ERROR_CANCELED\"" stats.json
    says "stopped: $lines frames"
    [ "$(ls -A | sort | tr '\n' ' ')" = "coco.json err lines.jsonl mot.txt out out.mp4 stats.json " ]
}

@test "SIGTERM: 143, and every file is whole" {
    need "$MODEL"
    interrupt TERM --save-video out.mp4
    exits 143
    json_lines lines.jsonl
    [ "$(frames_in out.mp4)" -eq "$(wc -l <lines.jsonl)" ]
}

@test "progress: a line on a terminal, cleared at the end, none in a pipe" {
    need "$MODEL"
    command -v script >/dev/null || skip "script is not installed"
    clip 20 clip.mp4
    TERM=xterm script -qec "stty cols 70; '$YOLK' detect clip.mp4 --model '$MODEL' --imgsz 320 --save-jsonl lines.jsonl" /dev/null >terminal </dev/null
    json_lines lines.jsonl 20
    grep -q '/20' terminal
    grep -q 'fps' terminal
    grep -q 'eta' terminal
    tr '\r' '\n' <terminal | sed 's/\x1b\[K//g' >drawn
    [ "$(wc -L <drawn)" -le 200 ]
    grep '/20' drawn | awk 'length($0) > 69 { exit 1 }'
    # What is left on the screen after the line was cleared is the summary.
    tail -n 2 terminal | grep -q '20 frames in'
    printf '\r\033[K' >cleared
    grep -qF "$(cat cleared)20 frames in" terminal
    TERM=xterm script -qec "'$YOLK' detect clip.mp4 --model '$MODEL' --imgsz 320 --save-jsonl lines.jsonl --no-progress" /dev/null >terminal </dev/null
    [ "$(grep -c eta terminal)" -eq 0 ]
    TERM=dumb script -qec "'$YOLK' detect clip.mp4 --model '$MODEL' --imgsz 320 --save-jsonl lines.jsonl" /dev/null >terminal </dev/null
    [ "$(grep -c eta terminal)" -eq 0 ]
    detect clip.mp4 --save-jsonl lines.jsonl
    [ "$(grep -c eta err)" -eq 0 ]
}

@test "SIGINT ends the wait for a stream that does not begin" {
    need "$MODEL"
    mkfifo pipe
    sleep 60 >pipe &
    local writer=$!
    set -m
    "$YOLK" detect - --model "$MODEL" --imgsz 320 --save-coco coco.json <pipe >out 2>err &
    local job=$!
    set +m
    sleep 2
    kill -INT $job
    status=0
    wait $job || status=$?
    kill $writer
    exits 130
}

@test "a second SIGINT kills" {
    need "$MODEL"
    set -m
    # Minutes of work, in which the first signal waits for the running network to end.
    "$YOLK" detect "$BUS" "$BUS" --model "$MODEL" --imgsz 1280 --backend reference --warmup 20 --save-coco coco.json >out 2>err &
    local job=$!
    set +m
    sleep 1
    local start=$SECONDS
    kill -INT $job
    sleep 0.5
    # A slow (instrumented) program may still have been loading, and has then ended at the first.
    kill -INT $job || skip "the first signal came before the network ran"
    status=0
    wait $job || status=$?
    exits 130
    [ $((SECONDS - start)) -le 5 ]
    [ ! -e coco.json ]
}
