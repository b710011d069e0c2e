"""Each step of a network as the native backend runs it, with the kernels that it takes by itself and with measured ones, and
its share of what the processor multiplies and adds at most (see layers_cpu.c).

usage: layers_cpu.py [--rounds N] [--threads N] [--limit avx2] [--note TEXT]      (make bench does this)
--limit measures once more with the instructions of a lesser processor. Steps are kept for the kernels that yolk takes by itself.
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common
from peers_cpu import LIMITS, MODELS, SHAPES

TOOL = common.ROOT / "build" / "bench" / "layers_cpu"
FLOOR = 0.7  # of the peak


def by_kernel(steps, peak):
    """Where the time goes: of each kernel, and of those of its steps that compute and stay below the floor."""
    found = {}
    for step in steps:
        sums = found.setdefault(step["kernel"], {"steps": 0, "ms": 0, "gflop": 0, "bound_ms": 0, "below": 0, "below_ms": 0})
        below = 0 < step["share"] < FLOOR
        for key, value in (("steps", 1), ("below", below), ("below_ms", step["ms"] * below),
                           *((key, step[key]) for key in ("ms", "gflop", "bound_ms"))):
            sums[key] = round(sums[key] + value, 5)
    for sums in found.values():
        sums["share"] = round(sums["gflop"] / sums["ms"] * 1e3 / peak, 3) if peak else None
    return found


def main():
    parser = common.arguments(__doc__, rounds=30, threads=2)
    parser.add_argument("--limit", nargs="*", choices=LIMITS, default=[])
    args = parser.parse_args()
    rows, shown = [], []
    for model, file in MODELS.items():
        for (height, width), limit in ((s, l) for s in SHAPES for l in ("", *args.limit)):
            for kernels in ("by cost", "measured"):
                out = common.run(TOOL, common.SHARED / "data" / "weights" / file, height, width, args.threads, args.rounds,
                                 *(["tune"] if kernels == "measured" else []), env={**os.environ, **LIMITS.get(limit, {})})
                *steps, whole = [json.loads(line) for line in out.splitlines()]
                kinds = by_kernel(steps, whole["peak_gflops"])
                rows.append({"model": model, "shape": f"{height}x{width}", "limit": limit, "kernels": kernels, **whole,
                             "by_kernel": kinds, **({"each": steps} if kernels == "by cost" else {})})
                below = [k["below_ms"] for k in kinds.values()]
                shown.append([model, f"{height}x{width}", kernels, whole["isa"], f"{whole['ms']:.1f}",
                              f"{whole['least_ms']:.1f}", f"{whole['peak_gflops']:.0f}", f"{whole['copy_gbs']:.0f}",
                              f"{whole['bound_ms']:.1f}", f"{whole['conv_share']:.2f}", f"{whole['share']:.2f}",
                              f"{sum(below) / whole['ms']:.2f}"])
    common.table(["model", "shape", "kernels", "instructions", "ms", "least ms", "peak GFLOP/s", "copying GB/s", "bound, ms",
                  "share of the peak: convolutions", "all", "of the time in steps below 0.7"], shown)
    common.keep("layers_cpu", "bench/network/layers_cpu.py", rows, threads=args.threads, rounds=args.rounds,
                note=args.note)


if __name__ == "__main__":
    main()
