"""yolk detect against ultralytics predict, end to end on real clips, CPU, interleaved in one run.

usage: peers_cpu.py [--rounds N] [--threads N] [--frames N]        (make bench does this; needs ../shared and bench/setup-peers.sh)
Peers: the checkpoint itself, and ultralytics' ONNX and OpenVINO exports, at 640x640 and at the clip's own rectangle. OpenVINO
by itself computes in bfloat16 where the processor has it and yolk does so with --precision fp16, so both are run both ways and
each is compared with the fastest peer of its own precision (one in 16 bits with every peer there is). The last column is
yolk's end-to-end rate as a share of its network alone at the same shape and precision.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common

CLIPS = {"vtest_h264.mp4": (480, 640), "clip_1080p_h264.mp4": (384, 640)}
MODELS = ("yolo26n", "yolov8n")
PEERS = ("ultralytics .pt", "ultralytics onnx", "ultralytics openvino", "ultralytics openvino f32")
HERE = pathlib.Path(__file__).resolve().parent
PYTHON = common.ROOT / ".deps" / "peers" / "bin" / "python"


def last_json(text):
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


def export(model, form, height, width):
    ending = ".onnx" if form == "onnx" else "_openvino_model"
    path = common.WORK / "peers" / f"{model}_{height}x{width}{ending}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        copy = path.parent / f"{model}.pt"
        shutil.copyfile(common.SHARED / "data" / "weights" / f"{model}.pt", copy)
        os.chmod(copy, 0o644)
        common.run(PYTHON, HERE / "ultralytics_export.py", copy, form, height, width, cwd=path.parent)
    return path


def run_peer(path, clip, height, width, args, *more):
    env = {**os.environ, "OMP_NUM_THREADS": str(args.threads), "YOLO_VERBOSE": "false"}
    return last_json(common.run(PYTHON, HERE / "ultralytics_worker.py", path, clip, height, width, args.threads,
                                args.frames, *more, env=env, cwd=common.WORK))


def run_yolk(model, clip, height, width, args, precision):
    """Timed as the peers are: from the first result to the last, here by the lines that yolk writes and flushes."""
    stats = common.WORK / "stats.json"
    command = [common.YOLK, "detect", clip, "--model", model, "--imgsz", f"{height}x{width}", "--device", "cpu",
               "--precision", precision, "--threads", args.threads, "--max-frames", args.frames, "--save-jsonl", "-",
               "--stats", stats, "--quiet"]
    frames, start = 0, 0.0
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE) as process:
        for _ in process.stdout:
            if frames == 0:
                start = time.perf_counter()
            frames += 1
        seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"yolk: exit status {process.returncode}")
    result = json.loads(stats.read_text())
    return {"frames": frames, "detections": result["detections"], "seconds": seconds, "fps": (frames - 1) / seconds,
            "peak_mb": result["memory_peak_bytes"] / 2**20}


def run_network(model, height, width, args, precision):
    """By the backend that `yolk detect` takes for the precision: yolk's own kernels for x86 have no 16-bit floats."""
    tool = common.ROOT / "build" / "bench" / "network_alone"
    backend = "openvino" if precision == "fp16" else "auto"
    return json.loads(common.run(tool, model, height, width, args.threads, 5, backend, 1, precision))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=200, help="of each clip")
    args = parser.parse_args()
    common.WORK.mkdir(parents=True, exist_ok=True)
    rows, shown = [], []
    for clip_name, rectangle in CLIPS.items():
        clip = common.SHARED / "data" / "video" / clip_name
        for model in MODELS:
            checkpoint = common.SHARED / "data" / "weights" / f"{model}.pt"
            runs = {}
            for height, width in ((640, 640), rectangle):
                shape = f"{height}x{width}"
                for precision in ("fp32", "fp16"):
                    runs[f"yolk {precision}", shape] = \
                        lambda h=height, w=width, p=precision: run_yolk(checkpoint, clip, h, w, args, p)
                    runs[f"network alone {precision}", shape] = \
                        lambda h=height, w=width, p=precision: run_network(checkpoint, h, w, args, p)
                runs["ultralytics .pt", shape] = lambda h=height, w=width: run_peer(checkpoint, clip, h, w, args)
                for form in ("onnx", "openvino"):
                    path = export(model, form, height, width)
                    runs[f"ultralytics {form}", shape] = \
                        lambda p=path, h=height, w=width: run_peer(p, clip, h, w, args)
                runs["ultralytics openvino f32", shape] = \
                    lambda p=path, h=height, w=width: run_peer(p, clip, h, w, args, "f32")
            results = {key: [] for key in runs}
            for _ in range(args.rounds):
                for key, action in runs.items():
                    results[key].append(action())
                    print(clip_name, model, *key, f"{results[key][-1]['fps']:.2f} fps", file=sys.stderr)
            fps = {key: common.median([r["fps"] for r in values]) for key, values in results.items()}
            for key, values in results.items():
                rows.append({"clip": clip_name, "model": model, "runner": key[0], "shape": key[1], "fps": fps[key],
                             "runs": values})
            for shape in dict.fromkeys(key[1] for key in runs):
                peers = {p: fps[p, shape] for p in PEERS}
                for precision, rivals in (("fp32", [p for p in PEERS if p != "ultralytics openvino"]), ("fp16", PEERS)):
                    own = fps[f"yolk {precision}", shape]
                    shown.append([clip_name, model, shape, precision, f"{own:.1f}", *(f"{v:.1f}" for v in peers.values()),
                                  f"{own / max(peers[p] for p in rivals):.2f}x",
                                  f"{own / fps[f'network alone {precision}', shape]:.3f}"])
    common.table(["clip", "model", "shape", "precision", "yolk fps", ".pt", "onnx", "openvino", "openvino f32",
                  "over the fastest", "of network alone"], shown)
    common.keep("video_peers_cpu", "bench/video/peers_cpu.py", rows, threads=args.threads, rounds=args.rounds,
                frames=args.frames)


if __name__ == "__main__":
    main()
