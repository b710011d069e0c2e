#!/usr/bin/env bats
# Several devices and several models, which find the same in a small input as one does.
load helper

setup_file() {
    export SMALL="--imgsz 96 --conf 0.05" YOLK_WARMUP=0
}

# What one device finds is what all others have to find: found once, for all tests.
plain() {
    need "$MODEL"
    if [ ! -e "$BATS_FILE_TMPDIR/plain.jsonl" ]; then
        clip 12 clip.mp4
        detect clip.mp4 $SMALL --backend reference --save-jsonl plain.jsonl
        exits 0
        json_lines plain.jsonl 12
        [ "$(jq -s '[.[].detections[]] | length' plain.jsonl)" -gt 5 ]
        cp clip.mp4 plain.jsonl "$BATS_FILE_TMPDIR"
    fi
    cp "$BATS_FILE_TMPDIR"/{clip.mp4,plain.jsonl} .
}

@test "two replicas on the processor find what one finds, in order" {
    plain
    detect clip.mp4 $SMALL --backend reference --device cpu:0,1 --batch 2 --save-jsonl two.jsonl --stats s.json
    exits 0
    cmp plain.jsonl two.jsonl
    [ "$(jq -r '[.devices[].name] | join(" ")' s.json)" = "cpu:0 cpu:1" ]
    [ "$(jq '[.devices[].frames] | add' s.json)" = 12 ]
}

@test "simulated devices that run out of memory and get lost leave no gap" {
    plain
    export YOLK_DUMMY=devices=3,oom-wait=2/0/1,oom-start=0/2/0,lost=3/2/1000
    detect clip.mp4 $SMALL --device dummy:0,1,2 --batch 4 --save-jsonl dummy.jsonl --stats s.json
    exits 0
    says "not enough memory"
    says "stopped answering and is used no more"
    cmp plain.jsonl dummy.jsonl
    [ "$(jq .frames s.json)" = 12 ]
}

@test "the loss of the last device ends the run, with what was found before" {
    plain
    export YOLK_DUMMY=lost=5,slots=1
    detect clip.mp4 $SMALL --device dummy --batch 1 --save-jsonl dummy.jsonl
    exits 1
    says "the device is lost (dummy): load the model again once it answers"
    json_lines dummy.jsonl 5
    head -n 5 plain.jsonl | cmp - dummy.jsonl
}

@test "simulated devices are there when they are asked for, and well described" {
    need "$MODEL"
    clip 2 clip.mp4
    detect clip.mp4 --device dummy
    exits 1
    says "YOLK_DUMMY does not say which"
    YOLK_DUMMY=devices=2,speed=9 detect clip.mp4 --device dummy
    exits 1
    says "YOLK_DUMMY: 'speed=9' is not allowed"
    YOLK_DUMMY=devices=2 detect clip.mp4 --device dummy:2
    exits 1
    says "there is no device 'dummy:2', the last one is dummy:1"
}

@test "several models in one run" {
    plain
    cp "$MODEL" other.pt
    detect clip.mp4 $SMALL --backend reference --model "$MODEL,other.pt" --ensemble vote --ensemble-votes unanimous \
        --save-jsonl both.jsonl --stats s.json
    exits 0
    json_lines both.jsonl 12
    [ "$(jq .frames s.json)" = 12 ]
    detect clip.mp4 --model "$MODEL,absent"
    exits 1
    says "absent"
}

@test "a model that the best device has no kernel for runs on the next one, unless the device is named" {
    plain
    export YOLK_DUMMY=first=1,refuses=MaxPool
    detect clip.mp4 $SMALL --save-jsonl auto.jsonl
    exits 0
    says "dummy is passed over for"
    says "there is no simulated kernel for the operator MaxPool"
    json_lines auto.jsonl 12
    detect clip.mp4 $SMALL --device dummy
    exits 1
    says "there is no simulated kernel for the operator MaxPool"
}
