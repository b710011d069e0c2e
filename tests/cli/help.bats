#!/usr/bin/env bats
# Help, versions, wrong usage, suggestions and completion.
load helper

commands="detect convert compare bench models info config help version"

@test "help lists the commands" {
    yolk help
    exits 0
    for command in $commands; do prints "  $command "; done
    cp out first
    yolk --help
    cmp first out
}

@test "help of a command shows examples before the options" {
    for command in $commands; do
        yolk help "$command"
        exits 0
        [ "$(sed -n 3p out)" = "Examples:" ]
        [ "$(grep -n '^Examples:' out | cut -d: -f1)" -lt "$(grep -n '^Usage:' out | cut -d: -f1)" ]
        [ ! -s err ]
        cp out first
        yolk "$command" --help
        exits 0
        cmp first out
        yolk "$command" -h
        cmp first out
    done
}

@test "help fits a terminal of 80 columns" {
    for command in $commands; do
        yolk help "$command"
        [ "$(sed '/^    /d' out | wc -L)" -le 80 ] || { show; return 1; }
    done
}

@test "no command is wrong usage, with the list of them" {
    yolk
    exits 2
    prints "Commands:"
}

@test "version" {
    yolk --version
    exits 0
    grep -qE '^yolk [0-9]+\.[0-9]+\.[0-9]+$' out
    cp out first
    yolk version
    cmp first out
    yolk detect --version
    cmp first out
}

@test "unknown command: the nearest is suggested" {
    yolk detetc
    misused "unknown command 'detetc'" "did you mean 'detect'?"
    yolk zzzzzz
    misused "unknown command 'zzzzzz'"
    yolk help confg
    misused "did you mean 'config'?"
    yolk --conf 0.4
    misused "a command comes before the options"
}

@test "a file in the place of a command: what was meant is shown" {
    : >street.mp4
    yolk street.mp4
    misused "yolk detect street.mp4"
}

@test "unknown option: the nearest is suggested" {
    yolk detect --cnof 0.4 x.jpg
    misused "unknown option --cnof; did you mean --conf?"
    yolk detect --max_det 3 x.jpg
    misused "did you mean --max-det?"
    yolk detect --save-jsnol=a x.jpg
    misused "did you mean --save-jsonl?"
    yolk detect -conf 0.4 x.jpg
    misused "did you mean --conf?"
    yolk detect -z x.jpg
    misused "unknown option -z"
    yolk detect --qqqqqqqqqq x.jpg
    misused "unknown option --qqqqqqqqqq"
    yolk convert --conf 0.4 x.pt
    misused "--conf is not an option of convert"
}

@test "values that are missing, not allowed or superfluous" {
    yolk detect x.jpg --conf
    misused "--conf needs a value"
    yolk convert x.pt -o
    misused "-o needs a value"
    yolk detect x.jpg --rect=1
    misused "--rect takes no value"
    yolk detect x.jpg --conf 1.5
    misused "--conf" "1.5"
    yolk detect x.jpg --conf high
    misused "--conf" "high"
    yolk detect x.jpg --imgsz 0x3
    misused "--imgsz" "0x3"
    yolk detect x.jpg --crop 1,2,3
    misused "--crop" "1,2,3"
    yolk detect x.jpg --crop 1,2,3,-4
    misused "--crop"
    yolk detect x.jpg --eye lefft
    misused "--eye" "did you mean left?"
    yolk detect x.jpg --max-frames some
    misused "--max-frames" "'some'"
    yolk detect x.jpg --loop 0
    misused "--loop" "'0'"
    yolk detect x.jpg --batch many
    misused "--batch" "many"
    yolk detect x.jpg --backend opnvino
    misused "--backend" "openvino"
    yolk detect x.jpg --save-jsonl ""
    misused "--save-jsonl needs a file name"
}

@test "unknown device: the nearest is suggested" {
    yolk detect x.jpg --device cdua
    misused "--device" "cdua" "cuda"
}

@test "unknown profile: the nearest is suggested" {
    yolk config show --profile dev_pie
    refused "dev_pie" "dev_pi"
}

@test "too few and too many words" {
    yolk detect
    misused "detect needs an input"
    yolk convert
    misused "convert needs a model file"
    yolk convert a.pt b.pt
    misused "'b.pt'"
    yolk info now
    misused "'now'"
    yolk config
    misused "config needs one of"
    yolk config shw
    misused "did you mean 'config show'?"
    yolk config detect now
    misused "'now'"
}

@test "what follows -- is never an option" {
    yolk detect --model "$MODEL" -- --conf
    refused "--conf"
}

@test "output that cannot be written is a failure" {
    status=0
    "$YOLK" help detect >/dev/full 2>err || status=$?
    : >out
    refused "standard output" "No space left"
}

@test "a reader that goes away is not talked about" {
    status=0
    (
        set +o pipefail
        "$YOLK" help detect 2>err
        echo $? >status
    ) | true
    [ ! -s err ]
}

@test "completion: commands, options, values, files" {
    yolk complete det
    [ "$(cat out)" = detect ]
    yolk complete ""
    [ "$(wc -l <out)" -eq 9 ]
    yolk complete detect --save-
    [ "$(sort out | tr '\n' ' ')" = "--save-coco --save-jsonl --save-mot --save-video " ]
    yolk complete convert --con
    [ "$(cat out)" = "--config" ] || [ ! -s out ]
    yolk complete detect --eye r
    [ "$(cat out)" = right ]
    yolk complete detect --eye = r
    [ "$(cat out)" = right ]
    yolk complete detect --model ""
    [ "$(cat out)" = @files ]
    yolk complete detect --models ""
    [ "$(cat out)" = @folders ]
    yolk complete detect --profile dev
    [ "$(cat out)" = dev_pi ]
    yolk complete detect x
    [ "$(cat out)" = @files ]
    yolk complete config va
    [ "$(cat out)" = validate ]
    yolk complete config validate ""
    [ "$(cat out)" = @files ]
    yolk complete help con
    [ "$(sort out | tr '\n' ' ')" = "config convert " ]
    yolk complete nothing --x
    exits 0
    [ ! -s out ]
}

@test "completion in bash" {
    : >street.mp4
    source "$ROOT/scripts/yolk.bash"
    complete -p yolk | grep -q _yolk
    compopt() { :; } # there is no line being edited here
    COMP_WORDS=("$YOLK" detect --save-m) COMP_CWORD=2
    _yolk
    [ "${COMPREPLY[*]}" = --save-mot ]
    COMP_WORDS=("$YOLK" detect str) COMP_CWORD=2
    _yolk
    [ "${COMPREPLY[*]}" = street.mp4 ]
    COMP_WORDS=("$YOLK" detect --eye = t) COMP_CWORD=4
    _yolk
    [ "${COMPREPLY[*]}" = top ]
    COMP_WORDS=("$YOLK" detect --eye =) COMP_CWORD=3
    _yolk
    [ "${#COMPREPLY[@]}" -eq 5 ]
}

@test "the manual names every command and option" {
    sed 's/\\-/-/g' "$ROOT/docs/yolk.1" >manual
    for command in $commands; do
        grep -qF "$command" manual || { echo "# $command"; return 1; }
        yolk complete "$command" --
        while read -r option; do
            grep -qF -- "$option" manual || { echo "# $option"; return 1; }
        done <out
    done
}

@test "the manual has no fault that man finds" {
    command -v man >/dev/null || skip "man is not installed"
    [ -z "$(LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$ROOT/docs/yolk.1" 2>&1 >/dev/null)" ]
}
