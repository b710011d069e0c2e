"""The network alone, one request at a time: yolk's native backend, OpenVINO and onnxruntime, interleaved in one run.

usage: peers_cpu.py [--rounds N] [--threads N] [--seconds S] [--precision fp32|int8|all] [--limit avx2] [--note TEXT]
All three run what `yolk convert` makes of the model (raw head, fixed size); int8 files are calibrated on ../shared/data/calib.
A round runs each of them in a process of its own; what is compared is the median over the rounds of a process's median.
--limit measures once more with the instructions of a lesser processor: yolk and OpenVINO can be told so, onnxruntime not.
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common

MODELS = {"yolo11n": "yolo11n-dequant.onnx", "yolov8n": "yolov8n.pt", "yolo26n": "yolo26n.pt"}
SHAPES = ((640, 640), (384, 640))
RUNNERS = ("native", "openvino", "onnxruntime")
HERE = pathlib.Path(__file__).resolve().parent
# What tells yolk and OpenVINO to do without newer instructions.
LIMITS = {"avx2": {"YOLK_CPU": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
          "avxvnni": {"YOLK_CPU": "avxvnni", "ONEDNN_MAX_CPU_ISA": "AVX2_VNNI"},
          "avx512vnni": {"YOLK_CPU": "avx512vnni", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}}
PYTHON = common.ROOT / ".deps" / "peers" / "bin" / "python"


def convert(model, height, width, precision):
    source = common.SHARED / "data" / "weights" / MODELS[model]
    path = common.WORK / "peers_cpu" / f"{model}_{height}x{width}_{precision}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        more = []
        if precision == "int8":
            more = ["--precision", "int8", "--calib", common.SHARED / "data" / "calib", "--no-validate"]
        common.run(common.YOLK, "convert", source, "-o", path, "--imgsz", f"{height}x{width}", "--raw-head", *more, "-q")
    return path


def measure(runner, path, height, width, limit, args):
    env = {**os.environ, **LIMITS.get(limit, {})}
    if runner == "native":
        tool = common.ROOT / "build" / "bench" / "network_alone"
        out = common.run(tool, path, height, width, args.threads, args.seconds, "native", 1, "fp32", "latency", env=env)
    else:
        out = common.run(PYTHON, HERE / "latency_worker.py", runner, path, args.threads, args.seconds, env=env)
    return json.loads(out.splitlines()[-1])


def main():
    parser = common.arguments(__doc__, rounds=5, threads=2)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--precision", choices=("fp32", "int8", "all"), default="all")
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--limit", nargs="*", choices=LIMITS, default=[])
    args = parser.parse_args()
    precisions = ("fp32", "int8") if args.precision == "all" else (args.precision,)
    cases = [(m, s, p, l) for p in precisions for m in args.models for s in SHAPES for l in ("", *args.limit)]
    found = {}
    for model, (height, width), precision, _ in cases:
        convert(model, height, width, precision)
    for round_number in range(args.rounds):
        for model, (height, width), precision, limit in cases:
            path = convert(model, height, width, precision)
            for runner in RUNNERS[:2] if limit else RUNNERS:
                result = measure(runner, path, height, width, limit, args)
                runs = found.setdefault((model, f"{height}x{width}", precision, limit), {})
                runs.setdefault(runner, []).append(result)
                print(round_number, model, f"{height}x{width}", precision, limit, runner,
                      f"{result['median_ms']:.2f} ms", file=sys.stderr)
    rows, shown = [], []
    for (model, shape, precision, limit), runs in found.items():
        ms = {runner: common.median([r["median_ms"] for r in results]) for runner, results in runs.items()}
        over = {f"over_{peer}": ms["native"] / ms[peer] for peer in RUNNERS[1:] if peer in ms}
        rows.append({"model": model, "shape": shape, "precision": precision, "limit": limit, "ms": ms, **over,
                     "runs": runs})
        shown.append([model, shape, precision, limit or "none", *(f"{ms[r]:.1f}" if r in ms else "" for r in RUNNERS),
                      *(f"{over[f'over_{r}']:.2f}" if r in ms else "" for r in RUNNERS[1:])])
    common.table(["model", "shape", "precision", "limit", "yolk, ms", "OpenVINO, ms", "onnxruntime, ms",
                  "yolk / OpenVINO", "yolk / onnxruntime"], shown)
    common.keep("peers_cpu", "bench/network/peers_cpu.py", rows, threads=args.threads, rounds=args.rounds, note=args.note)


if __name__ == "__main__":
    main()
