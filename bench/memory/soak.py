"""Memory over an hour of predict_batch, or over a day's worth of frames.

usage: soak.py hour [--build build-asan] [--seconds 3600]     under AddressSanitizer: make asan builds it
       soak.py day [--frames 2160000]                         24 hours of 25 frames a second, at a small input size
Two threads, batches of 1 to 16 frames of mixed sizes and formats, the model loaded anew every minute (hour only).
"""
import argparse
import json
import os
import subprocess
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("hour", "day"))
    parser.add_argument("--build")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--frames", type=int, default=2160000)
    parser.add_argument("--model", default=common.ROOT / ".deps/models/yolo26n.pt")
    args = parser.parse_args()
    hour = args.what == "hour"
    tool = common.ROOT / (args.build or ("build-asan" if hour else "build")) / "bench" / "soak"
    limits = (320, args.seconds, 0, 60) if hour else (32, 0, args.frames, 0)
    environment = dict(os.environ, TBB_ENABLE_SANITIZERS="1", ASAN_OPTIONS="intercept_tls_get_addr=0",
                       LSAN_OPTIONS=f"suppressions={common.ROOT}/tests/sanitizers/lsan.txt")
    process = subprocess.Popen([str(tool), str(args.model), *map(str, limits)], stdout=subprocess.PIPE, text=True,
                               env=environment)
    samples = []
    for line in process.stdout:
        samples.append(json.loads(line))
        print(line, end="", file=sys.stderr)
    status = process.wait()
    # What is compared with the end is the twentieth part of the way, when every size has been seen.
    first, last = samples[len(samples) // 20], samples[-1]
    growth = last["resident_mb"] / first["resident_mb"] - 1
    print(f"{last['frames']} frames in {last['seconds']:.0f} s, exit status {status}; "
          f"{first['resident_mb']:.1f} MB at frame {first['frames']}, {last['resident_mb']:.1f} MB at the end ({growth:+.2%})")
    common.keep(f"memory_{args.what}", f"bench/memory/soak.py {args.what}", samples, growth=growth, exit_status=status)
    return status


if __name__ == "__main__":
    sys.exit(main())
