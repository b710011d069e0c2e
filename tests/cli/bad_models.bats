#!/usr/bin/env bats
# Files that are not the models they claim to be: one sentence, exit status 1, nothing executed, nothing lost.
load helper

# Bytes with no structure, the same every time.
noise() {
    need "$BUS"
    tail -c "$1" "$BUS"
}

@test "model: missing" {
    yolk detect "$BUS" --model nothing.pt
    refused "nothing.pt"
    yolk detect "$BUS" --model nothing --models "$DEPS/models"
    refused "nothing" "$DEPS/models"
    yolk convert nothing.pt -o x.onnx
    refused "nothing.pt"
    yolk models nothing
    refused "nothing"
}

@test "model: a name that is nearly right" {
    need "$MODEL"
    yolk detect "$BUS" --model yolo26m --models "$DEPS/models"
    refused "yolo26m" "yolo26n"
}

@test "model: empty" {
    : >empty.pt
    : >empty.onnx
    for file in empty.pt empty.onnx; do
        yolk detect "$BUS" --model $file
        refused "$file" "empty"
        yolk convert $file -o x.onnx
        refused "$file" "empty"
        [ ! -e x.onnx ]
    done
}

@test "model: a folder" {
    mkdir model.pt
    yolk detect "$BUS" --model model.pt
    refused "model.pt" "folder"
}

@test "model: cut short" {
    need "$MODEL"
    for size in 100 100000 5000000; do
        head -c $size "$MODEL" >cut.pt
        yolk detect "$BUS" --model cut.pt
        refused "cut.pt"
        yolk convert cut.pt -o x.onnx
        refused "cut.pt"
        [ ! -e x.onnx ]
    done
    yolk convert "$MODEL" -o whole.onnx
    exits 0
    for size in 100 100000 9000000; do
        head -c $size whole.onnx >cut.onnx
        yolk detect "$BUS" --model cut.onnx
        refused "cut.onnx"
    done
}

@test "model: random bytes" {
    noise 100000 >random.pt
    noise 100000 >random.onnx
    for file in random.pt random.onnx; do
        yolk detect "$BUS" --model $file
        refused "$file"
        yolk models $file
        refused "$file"
    done
}

@test "model: a picture" {
    need "$BUS"
    yolk detect "$BUS" --model "$BUS"
    refused "bus.jpg"
}

@test "model: a checkpoint that calls os.system runs nothing" {
    make_input system hack.pt "touch $PWD/hacked"
    yolk detect "$BUS" --model hack.pt
    refused "hack.pt" "system"
    yolk convert hack.pt -o x.onnx
    refused "hack.pt" "system"
    yolk models hack.pt
    refused "hack.pt"
    yolk models .
    exits 0
    says "hack.pt"
    [ ! -e hacked ]
    [ ! -e x.onnx ]
}

@test "model: a zip bomb, and a zip that claims more than it holds" {
    make_input zip-bomb bomb.pt
    yolk detect "$BUS" --model bomb.pt
    refused "bomb.pt" "compress"
    make_input zip-claim claim.pt
    yolk detect "$BUS" --model claim.pt
    refused "claim.pt"
}

@test "model: pickles that grow when they are followed, and that are too deep" {
    make_input laughs laughs.pt
    yolk detect "$BUS" --model laughs.pt
    refused "laughs.pt"
    make_input deep deep.pt
    yolk detect "$BUS" --model deep.pt
    refused "deep.pt"
}

@test "ONNX: an unknown operator is named" {
    make_input unknown-operator unknown.onnx
    yolk detect "$BUS" --model unknown.onnx
    refused "unknown.onnx" "Frobnicate"
    yolk convert unknown.onnx -o x.onnx
    refused "unknown.onnx" "Frobnicate"
    [ ! -e x.onnx ]
}

@test "ONNX: a cycle" {
    make_input cycle cycle.onnx
    yolk detect "$BUS" --model cycle.onnx
    refused "cycle.onnx"
}

@test "ONNX: a wrong shape" {
    make_input wrong-shape shape.onnx
    yolk detect "$BUS" --model shape.onnx
    refused "shape.onnx"
}

@test "ONNX: an external data file that is missing is named" {
    make_input missing-data external.onnx
    yolk detect "$BUS" --model external.onnx
    refused "external.onnx" "weights.bin"
}

@test "ONNX: external data outside the model's folder is not read" {
    make_input outside-data outside.onnx
    yolk detect "$BUS" --model outside.onnx
    refused "outside.onnx" "passwd"
}

@test "models: what cannot be used is told about, what can is listed" {
    need "$MODEL"
    : >empty.pt
    ln -s "$MODEL" good.pt
    yolk models .
    exits 0
    prints "good"
    says "empty.pt"
    yolk models . --json
    [ "$(jq -r '.[] | select(.error) | .name' out)" = empty ]
    [ "$(jq -r '.[] | select(.error | not) | .name' out)" = good ]
}
