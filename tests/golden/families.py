#!/usr/bin/env python3
"""Compares yolk's checkpoint importer with PyTorch, for every family and size. Run by hand.

For each model of ultralytics' own definitions this makes a checkpoint with random weights, saved as ultralytics saves
one, converts it with `yolk convert --raw-head`, and compares what onnxruntime computes from the result with what
PyTorch computes from the checkpoint, in float64: the head's raw boxes and class scores. Batch norm gets its statistics from random
pictures first, so that no activation dies out or grows without end, and then random changes to them.

    python3 tests/golden/families.py --yolk build/yolk --json bench/results/families.json [NAME...]

Needs ultralytics (8.4.190 was used), torch, onnxruntime and numpy. Original YOLOv5 checkpoints (classes models.yolo and
models.common) are made from the small modules in yolov5_modules.py beside this file."""

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

HEIGHT, WIDTH = 64, 128  # neither square nor what the models were made for; multiples of the largest stride, 64
LIMIT = 1e-4

FAMILIES = {
    "yolov5u": ["yolov5" + s for s in "nsmlx"],
    "yolov8": ["yolov8" + s for s in "nsmlx"],
    "yolov9": ["yolov9" + s for s in "tsmce"],
    "yolov10": ["yolov10" + s for s in "nsmblx"],
    "yolo11": ["yolo11" + s for s in "nsmlx"],
    "yolo12": ["yolo12" + s for s in "nsmlx"],
    "yolo26": ["yolo26" + s for s in "nsmlx"],
    "yolov5": ["original-yolov5" + s for s in "nsmlx"] + ["original-yolov5s6", "original-yolov5s-old"],
    "other": ["fused-yolov8n", "fused-yolov9t", "fused-yolov10n", "fused-yolo26n", "fp32-yolo11n", "yolov3", "yolov3-tiny", "yolov8-p2",
              "yolov8-p6", "yolov8-ghost"],
}


def randomise(model, seed):
    """Random weights that keep activations in a normal range: the statistics of batch norm come from the data."""
    torch.manual_seed(seed)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for m in norms:
        torch.nn.init.uniform_(m.weight, 0.5, 1.5)
        torch.nn.init.normal_(m.bias, 0, 0.3)
        m.momentum = 1.0
    for name, p in model.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.uniform_(p, 0.3, 1.0)
        if name.endswith("qkv.bn.weight"):  # sharp attention would make float32 differ from float64 by 1e-3 already
            torch.nn.init.uniform_(p, 0.1, 0.4)
    model.train()
    with torch.no_grad():
        model(torch.rand(4, 3, HEIGHT, WIDTH))
    for m in norms:
        m.momentum = 0.03
        m.running_mean += 0.1 * torch.randn_like(m.running_mean)
        m.running_var *= torch.empty_like(m.running_var).uniform_(0.8, 1.2)
        m.running_var.clamp_(min=0.05)  # a channel that hardly moves would be all rounding errors
    return model.eval()


def make_checkpoint(name, path, seed):
    """Writes a checkpoint and gives the model that was written, as PyTorch would load it."""
    if name.startswith("original-"):
        sys.path.insert(0, str(Path(__file__).parent))
        import yolov5_modules
        model = randomise(yolov5_modules.build(name.removeprefix("original-")), seed)
    else:
        from ultralytics.nn.tasks import DetectionModel
        variant, _, base = name.rpartition("-") if name.startswith(("fused-", "fp32-")) else ("", "", name)
        model = randomise(DetectionModel(base + ".yaml", verbose=False), seed)
        model.args = {"imgsz": 640, "model": base + ".yaml", "task": "detect"}
        if variant == "fused":
            model.fuse(verbose=False)
    for p in model.parameters():
        p.requires_grad = False
    saved = copy.deepcopy(model) if name.startswith("fp32-") else copy.deepcopy(model).half()
    torch.save({"epoch": -1, "best_fitness": None, "model": saved, "ema": None, "updates": None, "optimizer": None,
                "train_args": getattr(model, "args", {}), "date": "2026-01-01T00:00:00", "version": "8"}, path)
    return saved.float().eval()


def raw_outputs(model, x):
    """The head's raw outputs, one tensor or a pair a level, from PyTorch."""
    with torch.no_grad():
        out = model(x)
    if isinstance(out, list):  # original YOLOv5
        return [t.numpy() for t in out]
    preds = out[1] if isinstance(out, tuple) else out
    if "one2one" in preds:
        preds = preds["one2one"]
    levels = [f.shape[2] * f.shape[3] for f in preds["feats"]]
    boxes = torch.split(preds["boxes"], levels, 2)
    scores = torch.split(preds["scores"], levels, 2)
    return [t.numpy() for pair in zip(boxes, scores) for t in pair]


def compare(name, yolk, folder, seed):
    checkpoint, network = os.path.join(folder, "model.pt"), os.path.join(folder, "model.onnx")
    model = make_checkpoint(name, checkpoint, seed)
    x = torch.rand(1, 3, HEIGHT, WIDTH)
    float32 = raw_outputs(model, x)
    wanted = raw_outputs(model.double(), x.double())
    start = time.monotonic()
    subprocess.run([yolk, "convert", "-q", checkpoint, "-o", network, "--raw-head", "--imgsz", f"{HEIGHT}x{WIDTH}"],
                   check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    got = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    result = {"model": name, "parameters": sum(p.numel() for p in model.parameters()),
              "checkpoint_bytes": os.path.getsize(checkpoint), "convert_seconds": round(seconds, 2),
              "outputs": [list(t.shape) for t in got]}
    worst = noise = 0.0
    for w, t, g in zip(wanted, float32, got, strict=True):
        g = g.reshape(w.shape)
        scale = float(np.abs(w).max())
        # Weights that all give the same answer would agree whatever is computed.
        assert np.isfinite(w).all() and w.std() > 1e-3 * scale, f"{name}: the random weights are no test"
        worst = max(worst, float(np.abs(w - g).max()) / scale)
        noise = max(noise, float(np.abs(w - t).max()) / scale)
    result["difference"] = worst
    result["torch_float32"] = noise
    result["ok"] = worst < LIMIT
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="families or models; all when none is given")
    parser.add_argument("--yolk", default="build/yolk")
    parser.add_argument("--json", help="file for the results")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    names = []
    for n in args.names or FAMILIES:
        names += FAMILIES.get(n, [n])
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            r = compare(name, args.yolk, folder, args.seed)
            results.append(r)
            print(f"{r['model']:24} {r['parameters'] / 1e6:7.1f} M  difference {r['difference']:.1e}  "
                  f"(PyTorch's own float32: {r['torch_float32']:.1e})  {'ok' if r['ok'] else 'TOO LARGE'}", flush=True)
    if args.json:
        import platform

        import ultralytics
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
        head = {"command": "tests/golden/families.py", "commit": commit, "input": [1, 3, HEIGHT, WIDTH],
                "limit": LIMIT,
                "measure": "largest absolute difference of a raw output from PyTorch's in float64, divided by that "
                           "output's largest value; torch_float32 is the same for PyTorch's float32",
                "torch": torch.__version__, "ultralytics": ultralytics.__version__,
                "onnxruntime": onnxruntime.__version__, "python": platform.python_version()}
        rows = ",\n".join("  " + json.dumps(r) for r in results)
        with open(args.json, "w") as f:
            f.write(json.dumps(head, indent=1)[:-2] + f',\n "results": [\n{rows}\n ]\n}}\n')
    return 0 if all(r["ok"] for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
