"""Letterbox, head decoding and suppression on one core, each checked against a plain version and timed.

usage: detect_kernels.py [--rounds N]
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common


def main():
    args = common.arguments(__doc__, rounds=1000).parse_args()
    out = common.run(common.ROOT / "build/bench/detect_kernels", args.rounds)
    rows = [json.loads(line) for line in out.splitlines()]
    common.table(["kernel", "given", "best ms", "median ms", "error"],
                 [[r["kernel"], r["given"], f"{r['best_ms']:.3f}", f"{r['median_ms']:.3f}", f"{r['error']:.2f}"]
                  for r in rows])
    common.keep("detect_kernels", "bench/kernels/detect_kernels.py", rows, rounds=args.rounds, note=args.note)


if __name__ == "__main__":
    main()
