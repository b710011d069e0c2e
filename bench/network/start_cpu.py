"""One picture from the start of the process to its end, and the memory that the process took at most: by a native
.engine, by an OpenVINO .engine and by the native backend from .onnx, in turn.

usage: start_cpu.py [--model NAME] [--rounds N] [--threads N]
"""
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common

WAYS = [("native", "engine"), ("openvino", "engine"), ("native", "onnx")]


def make_models(name):
    folder = common.WORK / "start"
    shutil.rmtree(folder, ignore_errors=True)
    source = common.SHARED / "data" / "weights" / f"{name}.pt"
    models = {}
    for backend, ending in WAYS:
        model = folder / backend / f"{name}.{ending}"
        model.parent.mkdir(parents=True, exist_ok=True)
        choice = ["--backend", backend] if ending == "engine" else []
        common.run(common.YOLK, "convert", source, "-o", model, *choice, "-q")
        models[backend, ending] = model
    return models


def measure(model, backend, picture, threads):
    command = [str(common.YOLK), "detect", "--model", str(model), "--backend", backend, "--threads", str(threads),
               str(picture), "-q"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - start
    if status != 0:
        sys.exit(f"start_cpu: {' '.join(command)} failed")
    return {"wall_ms": 1e3 * took, "processor_ms": 1e3 * (usage.ru_utime + usage.ru_stime),
            "peak_mb": usage.ru_maxrss * 1024 / 1e6}


def main():
    parser = common.arguments(__doc__, rounds=25, threads=2)
    parser.add_argument("--model", default="yolo26n")
    args = parser.parse_args()
    picture = common.ROOT / ".deps" / "images" / "bus.jpg"
    models = make_models(args.model)
    runs = {way: [] for way in WAYS}
    for (backend, ending), model in models.items():  # files and libraries into the page cache
        measure(model, backend, picture, args.threads)
    for _ in range(args.rounds):
        for (backend, ending), found in runs.items():
            found.append(measure(models[backend, ending], backend, picture, args.threads))
    rows, shown = [], []
    for (backend, ending), found in runs.items():
        row = {"backend": backend, "file": ending}
        for figure in ("wall_ms", "processor_ms", "peak_mb"):
            row[figure] = round(common.median([f[figure] for f in found]), 1)
        row["wall_ms_least"] = round(min(f["wall_ms"] for f in found), 1)
        rows.append(row)
        shown.append([backend, ending, row["wall_ms"], row["wall_ms_least"], row["processor_ms"], row["peak_mb"]])
    common.table(["backend", "file", "start to end, ms", "least, ms", "processor, ms", "peak, MB"], shown)
    common.keep("start_cpu", "bench/network/start_cpu.py", rows, model=args.model, picture="bus.jpg",
                threads=args.threads, rounds=args.rounds, note=args.note)


if __name__ == "__main__":
    main()
