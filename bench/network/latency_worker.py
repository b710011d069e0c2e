"""One request at a time, all threads on it: OpenVINO or onnxruntime on one ONNX file, in float32 unless the file is int8.

usage: latency_worker.py openvino|onnxruntime FILE.onnx THREADS SECONDS
"""
import json
import sys
import time

import numpy as np

runtime, path, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
if runtime == "openvino":
    import openvino as ov

    core = ov.Core()
    model = core.read_model(path)
    shape = [d.get_length() for d in model.input(0).partial_shape]
    pre = ov.preprocess.PrePostProcessor(model)
    pre.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    pre.input().preprocess().convert_element_type(ov.Type.f32).scale(255.0)
    pre.input().model().set_layout(ov.Layout("NCHW"))
    compiled = core.compile_model(pre.build(), "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
                                                       "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    image = np.random.default_rng(1).integers(0, 256, (shape[0], shape[2], shape[3], 3), np.uint8)
    run = lambda: request.infer({0: image}, share_inputs=True, share_outputs=True)
else:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    image = np.random.default_rng(1).random(given.shape, np.float32)
    run = lambda: session.run(None, {given.name: image})
for _ in range(5):
    run()
times = []
while sum(times) < seconds:
    start = time.perf_counter()
    run()
    times.append(time.perf_counter() - start)
times.sort()
print(json.dumps({"median_ms": 1e3 * times[len(times) // 2], "least_ms": 1e3 * times[0], "runs": len(times)}))
