"""PyTorch on a GPU, kept ready: replays a network as one CUDA graph, as often as it is told.

usage: torch_worker.py MODEL HEIGHT WIDTH BATCH[,BATCH...] fp16|fp32 [--raw|--head raw|decoded|both] [--compile]
       torch_worker.py MODEL.yaml --save FILE.pt
MODEL is an ultralytics checkpoint, or one of ultralytics' own definitions (yolo11n.yaml), which gets random weights.
The model is fused, channels_last, with cuDNN's measured choice of kernels. The first line printed is a JSON object
(ready_s, memory_mb, versions). Then each line "N [BATCH] [raw|decoded]" read from stdin runs N replays, each timed by
CUDA events, and prints median_ms, least_ms, runs. The picture lies on the GPU as it is computed with. "raw" ends with
the head's last convolutions, as yolk's network does; "decoded" adds PyTorch's boxes and scores.
"""
import argparse
import importlib.abc
import importlib.machinery
import json
import os
import sys
import tempfile
import time
from unittest.mock import MagicMock

START = time.perf_counter()
os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_VERBOSE", "false")
os.environ.setdefault("YOLO_CONFIG_DIR", os.path.join(tempfile.gettempdir(), "yolk-ultralytics"))

import torch


class Unneeded(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for what ultralytics imports at its top and building a network never calls, where it is missing."""

    NAMES = {"cv2", "matplotlib", "PIL", "polars", "psutil", "requests", "thop", "torchvision", "ultralytics_platform"}

    def find_spec(self, name, path=None, target=None):
        wanted = name.split(".")[0] in self.NAMES
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if wanted else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.__getattr__ = MagicMock()


def randomise(model):
    """Weights whose activations are neither all zero nor infinite in half precision: a GPU computes zeros faster, with
    less power. The statistics of batch norm come from noise, in one pass."""
    torch.manual_seed(1)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for m in norms:
        torch.nn.init.uniform_(m.weight, 0.3, 0.9)
        torch.nn.init.normal_(m.bias, 0, 0.3)
        m.momentum = 1.0
    model.train()
    with torch.no_grad():
        model(torch.rand(2, 3, 128, 128))
    for m in norms:
        m.momentum = 0.03
        m.running_var.clamp_(min=0.05)  # a channel that hardly moves would be blown up
    return model.eval().requires_grad_(False)


def load(name):
    sys.meta_path.append(Unneeded())
    from ultralytics.nn import tasks

    if name.endswith(".pt"):
        return tasks.load_checkpoint(name)[0].requires_grad_(False)
    return randomise(tasks.DetectionModel(name, verbose=False))


def save(name, path):
    """As ultralytics saves a checkpoint."""
    model = load(name)
    model.args = {"imgsz": 640, "model": name, "task": "detect"}
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    saved = {"epoch": -1, "model": model.half(), "ema": None, "train_args": model.args, "version": "8"}
    torch.save(saved, path + ".part")
    os.rename(path + ".part", path)


def raw_forward(head):
    """The head's last convolutions, level by level, and nothing after them."""
    one = "one2one_" if head.end2end else ""
    lasts = [getattr(head, one + name) for name in ("cv2", "cv3")]
    return lambda features: [m[i](f) for i, f in enumerate(features) for m in lasts]


class Replay:
    """A network at one batch with one kind of head."""

    def __init__(self, model, shape, args, kind):
        head = model.model[-1]
        forward = raw_forward(head) if kind == "raw" else type(head).forward.__get__(head)
        network = torch.compile(model, dynamic=False) if args.compile else model
        dtype = torch.half if args.precision == "fp16" else torch.float
        x = torch.rand(*shape, device=args.device).to(dtype).contiguous(memory_format=torch.channels_last)

        def run():
            head.forward = forward
            return network(x)

        self.cuda = args.device != "cpu"
        if not self.cuda:
            self.out, self.again = run(), run
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.out = run()
        self.kept = (x, head.anchors, head.strides)  # the graph reads them, and the next batch has anchors of its own
        self.again = graph.replay

    def times(self, count):
        """Milliseconds of each of `count` runs."""
        if not self.cuda:
            marks = [time.perf_counter()]
            for _ in range(count):
                self.again()
                marks.append(time.perf_counter())
            return [1e3 * (b - a) for a, b in zip(marks, marks[1:])]
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
        marks[0].record()
        for mark in marks[1:]:
            self.again()
            mark.record()
        torch.cuda.synchronize()
        return [a.elapsed_time(b) for a, b in zip(marks, marks[1:])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("height", type=int, nargs="?")
    parser.add_argument("width", type=int, nargs="?")
    parser.add_argument("batches", nargs="?", default="1")
    parser.add_argument("precision", choices=("fp16", "fp32"), nargs="?", default="fp16")
    parser.add_argument("--head", choices=("raw", "decoded", "both"), default="decoded")
    parser.add_argument("--raw", dest="head", action="store_const", const="raw", help="the same as --head raw")
    parser.add_argument("--compile", action="store_true", help="torch.compile before the graph is taken")
    parser.add_argument("--device", default="cuda", help="cpu: without a graph, for tests")
    parser.add_argument("--save", metavar="FILE.pt", help="write the model as a checkpoint and end")
    args = parser.parse_args()
    answers, sys.stdout = sys.stdout, sys.stderr  # ultralytics logs to stdout
    if args.save:
        return save(args.model, args.save)
    if not args.width:
        parser.error("HEIGHT and WIDTH are missing")
    torch.backends.cudnn.benchmark = True
    torch.set_grad_enabled(False)
    if args.compile:
        torch._dynamo.config.recompile_limit = 64  # a batch and a head each; beyond the limit it would stop compiling
    model = load(args.model)
    if getattr(model.model[-1], "one2one_cv2", None) is not None:
        model.end2end = True  # the head without suppression, which yolk takes too
    model = model.fuse(verbose=False).eval().to(args.device, memory_format=torch.channels_last)
    model = model.half() if args.precision == "fp16" else model.float()
    batches = [int(b) for b in args.batches.split(",")]
    kinds = ("raw", "decoded") if args.head == "both" else (args.head,)
    replays = {(b, kind): Replay(model, (b, 3, args.height, args.width), args, kind) for kind in kinds for b in batches}
    ready = {"ready_s": time.perf_counter() - START, "memory_mb": 0.0, "torch": torch.__version__}
    if args.device != "cpu":
        torch.cuda.synchronize()
        ready |= {"memory_mb": torch.cuda.max_memory_reserved() / 1e6, "cuda": torch.version.cuda,
                  "cudnn": torch.backends.cudnn.version(), "card": torch.cuda.get_device_name()}
    print(json.dumps(ready), file=answers, flush=True)
    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        batch = int(words[1]) if len(words) > 1 else batches[0]
        kind = words[2] if len(words) > 2 else kinds[0]
        times = sorted(replays[batch, kind].times(int(words[0])))
        result = {"median_ms": times[len(times) // 2], "least_ms": times[0], "runs": len(times)}
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
