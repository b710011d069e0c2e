"""OpenVINO's own rate for one ONNX file: the best of its settings, in float32 as yolk's default is. usage: openvino_worker.py FILE.onnx THREADS SECONDS"""
import json
import sys
import time

import numpy as np
import openvino as ov
from openvino import AsyncInferQueue, Core

path, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
core = Core()
model = core.read_model(path)
shape = [d.get_length() for d in model.input(0).partial_shape]
pre = ov.preprocess.PrePostProcessor(model)
pre.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
pre.input().preprocess().convert_element_type(ov.Type.f32).scale(255.0)
pre.input().model().set_layout(ov.Layout("NCHW"))
model = pre.build()
image = np.random.default_rng(1).integers(0, 256, (shape[0], shape[2], shape[3], 3), np.uint8)
settings = {
    "latency": {"PERFORMANCE_HINT": "LATENCY"},
    "throughput": {"PERFORMANCE_HINT": "THROUGHPUT"},
    "1 stream": {"NUM_STREAMS": 1},
    "1 stream a thread": {"NUM_STREAMS": threads},
}
tried = {}
for name, config in settings.items():
    compiled = core.compile_model(model, "CPU", {**config, "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"})
    requests = 1 if name == "latency" else int(compiled.get_property("NUM_STREAMS")) + 1
    queue = AsyncInferQueue(compiled, requests)
    for _ in range(4):
        queue.start_async({0: image})
    queue.wait_all()
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        queue.start_async({0: image})
        done += 1
    queue.wait_all()
    tried[name] = done / (time.perf_counter() - start)
best = max(tried, key=tried.get)
print(json.dumps({"fps": tried[best], "setting": best, "tried": tried}))
