"""Each step of a network as the native backend runs it, with the kernels that it takes by itself and with measured ones.

usage: layers_cpu.py [--rounds N] [--threads N] [--note TEXT]      (make bench does this)
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common

MODELS = ("yolo26n", "yolov8n")
SHAPES = ((640, 640), (384, 640))
TOOL = common.ROOT / "build" / "bench" / "layers_cpu"


def main():
    args = common.arguments(__doc__, rounds=30, threads=2).parse_args()
    rows, shown = [], []
    for model in MODELS:
        checkpoint = common.SHARED / "data" / "weights" / f"{model}.pt"
        for height, width in SHAPES:
            for kernels in ("by cost", "measured"):
                out = common.run(TOOL, checkpoint, height, width, args.threads, args.rounds,
                                 *(["tune"] if kernels == "measured" else []))
                *steps, whole = [json.loads(line) for line in out.splitlines()]
                rows.append({"model": model, "shape": f"{height}x{width}", "kernels": kernels, **whole, "each": steps})
                shown.append([model, f"{height}x{width}", kernels, whole["isa"], f"{whole['ms']:.1f}",
                              f"{whole['least_ms']:.1f}", f"{whole['gflop'] / whole['least_ms'] * 1e3:.0f}"])
    common.table(["model", "shape", "kernels", "instructions", "ms", "least ms", "GFLOP/s at the least"], shown)
    common.keep("layers_cpu", "bench/network/layers_cpu.py", rows, threads=args.threads, rounds=args.rounds,
                note=args.note)


if __name__ == "__main__":
    main()
