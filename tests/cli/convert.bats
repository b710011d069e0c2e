#!/usr/bin/env bats
# Converting: what comes out is a model that finds the same.
load helper

# name, confidence and box of each detection, rounded.
found() {
    jq -c '[.detections[] | [.name, (.confidence * 100 | round), (.box[] / 2 | round)]]' out
}

@test "a checkpoint becomes an ONNX file that finds the same" {
    need "$MODEL"
    yolk detect "$BUS" --model "$MODEL"
    found >from_pt
    yolk convert "$MODEL" -o model.onnx
    exits 0
    [ ! -s out ]
    says "model.onnx"
    yolk detect "$BUS" --model model.onnx
    exits 0
    found | cmp - from_pt
    yolk models model.onnx --json
    jq -e '.[0] | .format == "onnx" and (.classes | length) == 80 and .input == {"width": 640, "height": 640}' out
}

@test "without -o the result lies beside the checkpoint" {
    need "$MODEL"
    cp "$MODEL" mine.pt
    yolk convert mine.pt -q
    exits 0
    [ ! -s err ]
    [ -s mine.onnx ]
    # From ONNX to ONNX that would be the source itself.
    yolk convert mine.onnx
    refused "would replace"
}

@test "another input size" {
    need "$MODEL"
    yolk convert "$MODEL" -o model.onnx --imgsz 320x416
    exits 0
    yolk models model.onnx --json
    jq -e '.[0].input == {"width": 416, "height": 320}' out
    yolk convert "$MODEL" -o square.onnx --imgsz 320
    yolk models square.onnx --json
    jq -e '.[0].input == {"width": 320, "height": 320}' out
}

@test "open sizes" {
    need "$MODEL"
    yolk convert "$MODEL" -o model.onnx --dynamic
    exits 0
    yolk models model.onnx --json
    jq -e '.[0] | .dynamic_size and .dynamic_batch' out
    detect "$BUS"
    found >from_pt
    yolk detect "$BUS" --model model.onnx --imgsz 320
    exits 0
    found | cmp - from_pt
}

@test "without the head's decoding" {
    need "$MODEL"
    yolk convert "$MODEL" -o model.onnx --raw-head
    exits 0
    [ -s model.onnx ]
}

@test "ONNX to ONNX" {
    need "$SHARED/data/weights/yolov8n.onnx"
    yolk convert "$SHARED/data/weights/yolov8n.onnx" -o again.onnx
    exits 0
    yolk detect "$BUS" --model "$SHARED/data/weights/yolov8n.onnx"
    found >before
    yolk detect "$BUS" --model again.onnx
    exits 0
    found | cmp - before
}

@test "an existing result stays when converting fails" {
    need "$MODEL"
    echo earlier >model.onnx
    head -c 100000 "$MODEL" >cut.pt
    yolk convert cut.pt -o model.onnx
    refused "cut.pt"
    [ "$(cat model.onnx)" = earlier ]
    [ "$(ls -A | tr '\n' ' ')" = "cut.pt err model.onnx out " ]
}

@test "a size that the model cannot have" {
    need "$MODEL"
    yolk convert "$MODEL" -o model.onnx --imgsz 333
    exits 1
    says "333"
    [ ! -e model.onnx ]
}

@test "half precision, checked on pictures" {
    need "$MODEL"
    need "$BUS"
    mkdir pictures
    cp "$BUS" "$ZIDANE" pictures
    yolk convert "$MODEL" -o half.onnx --precision fp16 --val pictures --imgsz 320
    exits 0
    says "layers in fp16"
    says "boxes agree"
    yolk models half.onnx --json
    jq -e '.[0] | .precision == "fp16" and (.check | test("agree.*on 2 pictures"))' out
}

@test "what a conversion needs is said" {
    need "$MODEL"
    yolk convert "$MODEL" -o x.onnx --precision int8
    refused "--calib"
    yolk convert "$MODEL" -o x.onnx --precision fp16
    refused "--val"
    yolk convert "$MODEL" -o x.onnx --precision fp8
    exits 2
    yolk convert "$MODEL" -o x.onnx --precision int8 --calib nowhere
    refused "nowhere"
    [ ! -e x.onnx ]
}
