"""Resident memory of `yolk detect` over a long run: at frame 1,000 and at frame 20,000.

usage: flat.py [--model NAME|FILE] [--imgsz N] [--frames N]     (make bench does this)
The clip is read again and again; memory is read from /proc while the run goes on.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common


def resident_mb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {key: int(re.search(rf"{key}:\s+(\d+)", text).group(1)) / 1024 for key in ("VmRSS", "VmHWM")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=common.ROOT / ".deps/models/yolo26n.pt")
    parser.add_argument("--clip", default=common.ROOT / ".deps/clips/bikes.mp4")
    parser.add_argument("--imgsz", default="640x640")
    parser.add_argument("--frames", type=int, default=20000)
    args = parser.parse_args()
    common.WORK.mkdir(parents=True, exist_ok=True)
    lines = common.WORK / "flat.jsonl"
    frames_a_loop = int(common.run("ffprobe", "-v", "error", "-count_packets", "-select_streams", "v:0", "-show_entries",
                                   "stream=nb_read_packets", "-of", "csv=p=0", args.clip).strip().strip(","))
    loops = -(-args.frames // frames_a_loop)
    process = subprocess.Popen([common.YOLK, "detect", args.clip, "--model", args.model, "--imgsz", args.imgsz, "--loop",
                                str(loops), "--save-jsonl", lines, "--quiet"])
    samples, next_at, done, position = [], 1000, 0, 0
    while process.poll() is None and next_at <= args.frames:
        if lines.exists():
            with open(lines, "rb") as f:
                f.seek(position)
                data = f.read()
                position += len(data)
                done += data.count(b"\n")
        if done >= next_at:
            samples.append({"frame": done, **resident_mb(process.pid)})
            print(samples[-1], file=sys.stderr)
            next_at += 1000
        time.sleep(0.2)
    process.terminate()
    process.wait()
    first, last = samples[0], samples[-1]
    growth = last["VmRSS"] / first["VmRSS"] - 1
    print(f"frame {first['frame']}: {first['VmRSS']:.1f} MB, frame {last['frame']}: {last['VmRSS']:.1f} MB "
          f"({growth:+.2%}), peak {last['VmHWM']:.1f} MB")
    common.keep("memory_flat", "bench/memory/flat.py", samples, imgsz=args.imgsz, growth=growth)
    return 0 if growth < 0.02 and last["VmHWM"] <= 350 else 1


if __name__ == "__main__":
    sys.exit(main())
