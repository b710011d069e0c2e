"""Loading a model on the processor from a .pt, an .onnx and an .engine, in turn: from the start of the process until it
is loaded (its file is read), ready (compiled for 640x640 and warmed up), and how its first frame compares.

usage: load_cpu.py [--model NAME] [--rounds N] [--threads N] [--warmup N]...
"""
import json
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common

FIGURES = ("main_ms", "loaded_ms", "ready_ms", "first_ms", "next_ms", "resident_mb")


def make_models(name):
    folder = common.WORK / "load"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = folder / f"{name}.pt"
    shutil.copyfile(common.SHARED / "data" / "weights" / f"{name}.pt", source)
    for ending in ("onnx", "engine"):
        common.run(common.YOLK, "convert", source, "-o", folder / f"{name}.{ending}", "-q")
    return [folder / f"{name}.{ending}" for ending in ("pt", "onnx", "engine")]


def measure(model, threads, warmup):
    program = common.ROOT / "build" / "bench" / "load_cpu"
    start = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    done = subprocess.run([program, model, str(start), str(threads), str(warmup)], check=True, capture_output=True,
                          text=True)
    return json.loads(done.stdout)


def main():
    parser = common.arguments(__doc__, rounds=15, threads=2)
    parser.add_argument("--model", default="yolo26n")
    parser.add_argument("--warmup", type=int, nargs="*", default=[0, 2])
    args = parser.parse_args()
    models = make_models(args.model)
    runs = {(model, warmup): [] for warmup in args.warmup for model in models}
    for model, warmup in runs:  # files and libraries into the page cache
        measure(model, args.threads, warmup)
    for _ in range(args.rounds):
        for (model, warmup), found in runs.items():
            found.append(measure(model, args.threads, warmup))
    rows, shown = [], []
    for (model, warmup), found in runs.items():
        row = {"file": model.suffix[1:], "warmup": warmup, "bytes": model.stat().st_size}
        row.update({figure: round(common.median([f[figure] for f in found]), 1) for figure in FIGURES})
        row["ready_ms_least"] = min(f["ready_ms"] for f in found)
        row["ready_ms_most"] = max(f["ready_ms"] for f in found)
        rows.append(row)
        shown.append([row["file"], warmup, *(row[f] for f in FIGURES)])
    common.table(["file", "warm-up runs", "main, ms", "loaded, ms", "ready, ms", "first frame, ms", "next, ms",
                  "resident, MB"], shown)
    common.keep("load_cpu", "bench/network/load_cpu.py", rows, model=args.model, model_sha256=common.sha256(models[0]),
                threads=args.threads, rounds=args.rounds, note=args.note)


if __name__ == "__main__":
    main()
