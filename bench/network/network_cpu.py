"""The network alone: yolk's OpenVINO backend against OpenVINO itself at its best setting, interleaved in one run.

usage: network_cpu.py [--rounds N] [--threads N]      (make bench does this)
OpenVINO reads the ONNX file that `yolk convert` writes, with and without the decoding in it: the peer's time is the better.
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common

MODELS = ("yolo26n", "yolov8n")
SHAPES = ((640, 640), (384, 640))
HERE = pathlib.Path(__file__).resolve().parent
PYTHON = common.ROOT / ".deps" / "peers" / "bin" / "python"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    common.WORK.mkdir(parents=True, exist_ok=True)
    rows, shown = [], []
    for model in MODELS:
        checkpoint = common.SHARED / "data" / "weights" / f"{model}.pt"
        for height, width in SHAPES:
            raw = common.WORK / f"{model}_{height}x{width}_raw.onnx"
            common.run(common.YOLK, "convert", checkpoint, "-o", raw, "--imgsz", f"{height}x{width}", "--raw-head")
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(json.loads(common.run(common.ROOT / "build/bench/network_alone", checkpoint, height, width,
                                                  args.threads, 8, "openvino")))
                theirs.append(json.loads(common.run(PYTHON, HERE / "openvino_worker.py", raw, args.threads, 4)))
            a, b = (common.median([r["fps"] for r in values]) for values in (ours, theirs))
            rows.append({"model": model, "shape": f"{height}x{width}", "yolk_fps": a, "openvino_fps": b, "ratio": a / b,
                         "yolk_runs": ours, "openvino_runs": theirs})
            shown.append([model, f"{height}x{width}", f"{a:.1f}", f"{b:.1f}", f"{a / b:.3f}", theirs[0]["setting"]])
    common.table(["model", "shape", "yolk fps", "openvino fps", "yolk / openvino", "openvino's best setting"], shown)
    common.keep("network_cpu", "bench/network/network_cpu.py", rows, threads=args.threads, rounds=args.rounds)


if __name__ == "__main__":
    main()
