# What every file of command line tests loads: where things are, a folder of its own for each test, and assertions.
ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
YOLK=${YOLK_BIN:-$ROOT/build/yolk}
DEPS=${YOLK_DEPS:-$ROOT/.deps}
SHARED=${YOLK_SHARED:-$ROOT/../shared}
MODEL=$DEPS/models/yolo26n.pt
BIKES=$DEPS/clips/bikes.mp4
BUNNY=$DEPS/clips/bigbuckbunny.mp4
BUS=$DEPS/images/bus.jpg
ZIDANE=$DEPS/images/zidane.jpg

setup() {
    # What runs the tests says where things are in YOLK_ variables; yolk would take them for settings.
    unset YOLK_BIN YOLK_DEPS YOLK_SHARED YOLK_BUILD
    TEST_FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/yolk-cli.XXXXXX")
    cd "$TEST_FOLDER"
}

teardown() {
    cd /
    [ ! -e "$TEST_FOLDER/disk" ] || umount "$TEST_FOLDER/disk" 2>/dev/null || true
    rm -rf "$TEST_FOLDER"
}

# Runs yolk: its exit status in $status, its output in the files out and err.
yolk() {
    status=0
    "$YOLK" "$@" >out 2>err </dev/null || status=$?
}

# `yolk detect` with the small settings that most tests want.
detect() {
    yolk detect --model "$MODEL" --imgsz 320 "$@"
}

show() {
    echo "# exit status $status; standard error:"
    sed 's/^/#   /' err
    echo "# standard output, its beginning:"
    head -c 2000 out | sed 's/^/#   /'
}

exits() {
    [ "$status" -eq "$1" ] && return 0
    echo "# expected exit status $1"
    show
    return 1
}

# Standard error holds these words.
says() {
    grep -qF -- "$1" err && return 0
    echo "# '$1' was not said"
    show
    return 1
}

# Standard output holds these words.
prints() {
    grep -qF -- "$1" out && return 0
    echo "# '$1' was not printed"
    show
    return 1
}

# Exit status 1 and one sentence, which holds each of the words given.
refused() {
    exits 1 || return 1
    if [ "$(grep -v '^yolk: warning: ' err | grep -c '^yolk: ')" -ne 1 ]; then
        echo "# not one sentence"
        show
        return 1
    fi
    local word
    for word in "$@"; do says "$word" || return 1; done
}

# Exit status 2, one sentence with these words, and where to read more.
misused() {
    exits 2 || return 1
    says "see 'yolk help" || return 1
    local word
    for word in "$@"; do says "$word" || return 1; done
}

# Every line of a file is JSON; their number is the second argument when there is one.
json_lines() {
    jq -e . "$1" >/dev/null || return 1
    [ $# -lt 2 ] || [ "$(wc -l <"$1")" -eq "$2" ] || {
        echo "# $(wc -l <"$1") lines, not $2"
        return 1
    }
}

# clip FRAMES FILE [FFMPEG OPTIONS]: a part of the bikes clip in which there is much to find.
clip() {
    local frames=$1 file=$2
    shift 2
    ffmpeg -nostdin -v error -y -ss 1.2 -i "$BIKES" -frames:v "$frames" -c:v libx264 -preset ultrafast -an "$@" "$file"
}

frames_in() {
    ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 "$1" | tr -d ,
}

# The program that writes hostile models.
make_input() {
    local maker=${TMPDIR:-/tmp}/yolk-make-input.$$
    ${CC:-cc} -std=c11 -o "$maker" "$BATS_TEST_DIRNAME/make_input.c"
    "$maker" "$@"
    rm -f "$maker"
}

need() {
    [ -e "$1" ] || skip "$1 is not there"
}
