"""What a look at memory costs: the process's own, and what the system still has to give.

usage: check.py [--rounds N]
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20000)
    args = parser.parse_args()
    out = common.run(common.ROOT / "build/bench/memory_check", args.rounds)
    rows = [json.loads(line) for line in out.splitlines()]
    common.table(["what", "median us", "99 % us", "worst us"],
                 [[r["what"], r["median_us"], r["p99_us"], r["worst_us"]] for r in rows])
    common.keep("memory_check", "bench/memory/check.py", rows, rounds=args.rounds)


if __name__ == "__main__":
    main()
