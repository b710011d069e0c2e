"""Runs ultralytics over one clip in a process of its own and prints frames, seconds and peak memory as JSON.

usage: ultralytics_worker.py MODEL CLIP HEIGHT WIDTH THREADS FRAMES [f32]
Time runs from the first result to the last, so that loading and warm-up are outside it, as they are for yolk.
With f32 OpenVINO is told to compute in float32; by itself it takes bfloat16 where the processor has it.
"""
import json
import resource
import sys
import time

import torch
from ultralytics import YOLO

model, clip, height, width, threads, most = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7])
torch.set_num_threads(threads)
if sys.argv[7:] == ["f32"]:
    import openvino

    compile_model = openvino.Core.compile_model
    openvino.Core.compile_model = lambda self, model, device_name=None, config=None, **more: compile_model(
        self, model, device_name, {**(config or {}), "INFERENCE_PRECISION_HINT": "f32"}, **more)
frames = detections = 0
start = 0.0
results = YOLO(model, task="detect").predict(clip, stream=True, imgsz=(height, width), device="cpu", conf=0.25, iou=0.45,
                                             max_det=300, verbose=False)
for result in results:
    rows = result.boxes.data.tolist()
    if frames == 0:
        start = time.perf_counter()
    frames += 1
    detections += len(rows)
    if frames == most:
        break
seconds = time.perf_counter() - start
print(json.dumps({"frames": frames, "detections": detections, "seconds": seconds, "fps": (frames - 1) / seconds,
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
