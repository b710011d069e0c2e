"""OpenVINO's settings against each other: streams, requests in flight, pinning, hints.

usage: openvino_streams.py [--rounds N] [--threads N]
yolk takes "a stream a thread", up to four streams (src/backend/openvino/openvino.c).
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common

MODELS = ("yolo26n", "yolov8n")
SHAPES = ((384, 640), (640, 640))


def main():
    args = common.arguments(__doc__, rounds=9, threads=2).parse_args()
    rows, shown = [], []
    for model in MODELS:
        checkpoint = common.SHARED / "data" / "weights" / f"{model}.pt"
        for height, width in SHAPES:
            out = common.run(common.ROOT / "build/bench/openvino_streams", checkpoint, height, width, args.threads,
                             args.rounds)
            for line in out.splitlines():
                row = {"model": model, "shape": f"{height}x{width}", **json.loads(line)}
                rows.append(row)
                shown.append([model, row["shape"], row["setting"], row["requests"], f"{row['best_ms']:.2f}",
                              f"{row['median_ms']:.2f}", f"{row['memory_mb']:.0f}"])
    common.table(["model", "shape", "setting", "requests", "best ms", "median ms", "MB added"], shown)
    common.keep("openvino_streams", "bench/network/openvino_streams.py", rows, threads=args.threads, rounds=args.rounds, note=args.note)


if __name__ == "__main__":
    main()
