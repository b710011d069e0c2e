#!/usr/bin/env bash
# remote_yolk.sh FOLDER_LIBS FOLDER: puts into two folders what runs the whole program, `yolk`, on another x86-64 machine:
# one with an NVIDIA driver, a C library as new as this one's and a Python with NumPy, but without FFmpeg and a network.
# FOLDER_LIBS has the libraries that yolk needs, which seldom change, and FOLDER the program, models, labelled pictures
# and a clip: each is below 60 MB, as they may have to travel one by one. Copy both there and run
#
#     FOLDER_LIBS/unpack             # once, to /tmp/yolk-libs, or to $LIBS
#     FOLDER/run [STEP...]           # steps: info ap video engine; all of them when none is named
#
# BUILD (default: build-yolk-gpu) is the build folder, configured already or else for GPUs of kind 90.
set -euo pipefail
libs=$(realpath -m "${1:?usage: remote_yolk.sh FOLDER_LIBS FOLDER}")
folder=$(realpath -m "${2:?usage: remote_yolk.sh FOLDER_LIBS FOLDER}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=${BUILD:-build-yolk-gpu} shared=${YOLK_SHARED:-../shared}
for f in "$libs" "$folder"; do
    if [ -n "$(ls -A "$f" 2>/dev/null)" ] && [ ! -e "$f/commit" ]; then
        echo "remote_yolk.sh: $f holds something else" >&2
        exit 1
    fi
done
if [ -e "$build/build.ninja" ]; then
    ninja -C "$build" yolk >&2
else
    scripts/build.sh "$build" -DYOLK_CUDA_ARCHS=90 -- yolk >&2
fi
mkdir -p "$libs" "$folder"
git describe --always --dirty | tee "$libs/commit" >"$folder/commit"

# The libraries, but for the C library's own, which have to be of one piece with the loader there. xz, since Python reads
# it where there is no xz. Packing takes minutes: it is left out while the libraries are the same.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
ldd "$build/yolk" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    grep -Ev '/(lib(c|m|mvec|dl|rt|pthread|resolv|util|anl|cuda|nvidia[^/]*)|ld-linux[^/]*)\.so(\.[0-9]+)*$' |
    xargs cp -L -t "$stage"
chmod 644 "$stage"/*
strip --strip-unneeded "$stage"/* 2>/dev/null || true
(cd "$stage" && sha256sum ./*) >"$libs/files.new"
if ! cmp -s "$libs/files.new" "$libs/files" || [ ! -e "$libs/libs.tar.xz" ]; then
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$stage" -c . |
        xz -T1 --x86 --lzma2=preset=9,dict=64MiB >"$libs/libs.tar.xz"
fi
mv "$libs/files.new" "$libs/files"
cat >"$libs/unpack" <<'UNPACK'
#!/usr/bin/env bash
# unpack: the libraries that yolk needs to /tmp/yolk-libs, or to $LIBS, which appears whole or not at all.
set -euo pipefail
to=${LIBS:-/tmp/yolk-libs}
cd "$(dirname "${BASH_SOURCE[0]}")"
rm -rf "$to.new" "$to"
mkdir -p "$to.new"
"${PYTHON:-python3}" -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' \
    libs.tar.xz "$to.new" 2>/dev/null || tar -C "$to.new" -xJf libs.tar.xz
(files=$PWD/files && cd "$to.new" && sha256sum -c --quiet "$files")
mv "$to.new" "$to"
echo "$(find "$to" -type f | wc -l) libraries in $to"
UNPACK
chmod +x "$libs/unpack"

rm -rf "${folder:?}"/{bin,models,images,clips,site,out}
mkdir -p "$folder"/{images,clips,wheels}
mkdir "$stage/program" "$stage/program/bin"
strip -o "$stage/program/bin/yolk" "$build/yolk"
mkdir "$stage/program/models"
cp "$shared"/data/weights/{yolo26n.pt,yolov8n.pt,yolo11n-dequant.onnx,yolox_nano.onnx} "$stage/program/models"
tar -C "$stage/program" -c bin models | xz -T1 -6 >"$folder/program.tar.xz"
cp "$shared"/data/images/val2017/*.jpg "$folder/images"
cp "$shared"/data/images/instances_val128.json "$shared"/eval/coco_ap.py "$folder"
chmod -R u+w "$folder"
# Ten seconds; a keyframe follows at every other second.
ffmpeg -v error -y -t 10 -i "$shared/data/video/clip_1080p_h264.mp4" -map 0:v -c copy "$folder/clips/1080p.mp4"
# What scores the results there.
ls "$folder"/wheels/pycocotools-*.whl >/dev/null 2>&1 ||
    python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 -d "$folder/wheels" pycocotools

cat >"$folder/run" <<'RUN'
#!/usr/bin/env bash
# run [STEP...]: info ap video engine, or all. Results go to $OUT (default: the current folder). $DEVICE (default: cuda)
# is where the networks run, $PYTHON (default: python3) a Python with NumPy, $LIBS where the libraries are.
set -uo pipefail
out=$(realpath -m "${OUT:-.}") python=${PYTHON:-python3} device=${DEVICE:-cuda} libs=${LIBS:-/tmp/yolk-libs}
log=$(mktemp) steps=${*:-info ap video engine} status=0
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p "$out" out
[ -e bin/yolk ] || "$python" -c 'import tarfile; tarfile.open("program.tar.xz", "r:xz").extractall()' 2>/dev/null ||
    tar -xJf program.tar.xz || exit 1
if [ -e "$libs/libavcodec.so.59" ]; then # for yolk alone: Python has its own
    with=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
else
    echo "run: $libs has no libraries: run FOLDER_LIBS/unpack first; trying with those of this machine"
    with=${LD_LIBRARY_PATH:-}
fi
yolk() { LD_LIBRARY_PATH=$with timeout "${LIMIT:-120}" bin/yolk "$@"; }
# Seconds of a command, whose last lines are said when it fails.
timed() {
    local start=$EPOCHREALTIME code
    "$@" >"$log" 2>&1
    code=$?
    seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
    [ $code -eq 0 ] || { status=1 && echo "FAILED ($code): ${*:1:3}: $(tail -n 3 "$log" | cut -c1-600)"; }
    return $code
}
# FILE.json of --stats in one line.
stats() {
    "$python" - "$1" <<'PY'
import json, sys
s = json.load(open(sys.argv[1]))
stages = ", ".join(f"{n} {v['mean_ms']:.2f}" for n, v in s["stages"].items())
print(f"{s['backend']} {s['input']['width']}x{s['input']['height']} batch {s['batch']}: {s['frames']} frames, "
      f"{s['detections']} detections, {s['fps']:.1f} fps in {s['seconds']:.2f} s; ms a frame: {stages}")
PY
}

for step in $steps; do
    case $step in
    info)
        nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null
        yolk info | cut -c1-160 || status=1
        ;;
    ap)
        [ -e site/pycocotools ] || "$python" -m zipfile -e wheels/pycocotools-*.whl site
        for name in yolo26n.pt yolov8n.pt yolo11n-dequant.onnx yolox_nano.onnx; do
            size=640
            [ $name != yolox_nano.onnx ] || size=416
            for precision in fp16 fp32; do
                file=out/${name%.*}_$precision
                timed yolk detect images -m models/$name --device $device --precision $precision --imgsz $size \
                    --conf 0.001 --iou 0.7 --max-det 300 --multi-label --save-coco $file.json --stats $file.stats ||
                    continue
                ap=$(PYTHONPATH=site${PYTHONPATH:+:$PYTHONPATH} "$python" coco_ap.py instances_val128.json $file.json 2>&1 | tail -n 1)
                printf '%-16s %s  %s s  %s\n' "${name%.*}" $precision "$seconds" "$ap"
                [[ $ap == AP* ]] || unscored=1
            done
        done
        if [ "${unscored:-0}" = 1 ]; then # to be scored elsewhere
            tar -cf - out/*.json | "$python" -c 'import lzma, shutil, sys
shutil.copyfileobj(sys.stdin.buffer, lzma.open(sys.argv[1], "w"))' "$out/coco.tar.xz"
            status=1
        fi
        ;;
    video)
        for name in yolo26n.pt yolov8n.pt; do
            for precision in fp16 fp32; do
                file=out/${name%.*}_1080p_$precision
                timed yolk detect clips/1080p.mp4 -m models/$name --device $device --precision $precision --loop 3 \
                    --save-jsonl $file.jsonl --stats $file.stats || continue
                printf '%-8s %s  %s s  %s\n' "${name%.*}" $precision "$seconds" "$(stats $file.stats)"
            done
        done
        ;;
    engine)
        mkdir -p out/engines out/parts
        for name in yolov8n yolo26n; do
            rm -f out/engines/* out/parts/*
            timed yolk convert models/$name.pt -o out/engines/$name.engine --device $device || continue
            echo "$name to an engine: $seconds s, $(wc -c <out/engines/$name.engine) bytes"
            # From the start of the process to the end of one picture: the model, and the engine of it.
            for models in models out/engines; do
                told=out/parts/${models##*/}
                for round in 1 2 3; do
                    timed yolk detect images/000000000139.jpg --models $models -m $name --device $device -v \
                        --save-jsonl $told.jsonl || break
                    echo "$models, $name, one picture: $seconds s"
                done
                grep -E 'MB of|the engine' "$log" | cut -c1-200
                timed yolk detect clips/1080p.mp4 --models $models -m $name --device $device --loop 3 -v \
                    --save-jsonl $told.video.jsonl --stats out/${name}_${models##*/}.stats || continue
                echo "$models, $name: $(stats out/${name}_${models##*/}.stats)"
                grep -E 'MB of|the engine' "$log" | cut -c1-200
            done
            for what in jsonl video.jsonl; do
                cmp -s out/parts/{models,engines}.$what && echo "$what: the same" || echo "$what: other digits"
            done
        done
        # One of the processor's has to be passed over, with a sentence.
        if [ $device != cpu ] && timed yolk convert models/yolov8n.pt -o out/engines/other.engine --device cpu; then
            echo "yolov8n to an engine of the processor's: $seconds s"
            timed yolk detect images/000000000139.jpg --models out/engines -m other --device $device \
                --save-jsonl out/parts/other.jsonl
            tail -n 2 "$log" | cut -c1-300
        fi
        ;;
    *)
        echo "run: no step '$step': info ap video engine" && exit 2
        ;;
    esac
done
"$python" - out/*.stats >"$out/remote_yolk.json" <<'PY'
import json, os, sys
print(json.dumps({os.path.basename(p): json.load(open(p)) for p in sys.argv[1:] if os.path.exists(p)}))
PY
exit $status
RUN
chmod +x "$folder/run"
du -sh --apparent-size "$libs" "$folder"
