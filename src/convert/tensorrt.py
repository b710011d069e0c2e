# Builds a TensorRT engine from an ONNX model. yolk hands this text to a Python interpreter that has NVIDIA's package:
#
#   python3 - FOLDER GPU LEAST USUAL MOST HEIGHT WIDTH     (the model is open as file 3)
#   python3 - FOLDER GPU                                   (only looks for the package)
#
# The package is looked for in FOLDER and in FOLDER.cp311 (for Python 3.11) before Python's own places.
# The engine goes to standard output; what happens, to standard error, one line each: "@progress SHARE", "@library NAME
# VERSION GPU", "@missing", "@error SENTENCE" and, after the engine, "@done BYTES". Other lines come from others.
import sys

sys.path[:] = [p for p in sys.path if p]  # the working folder is no place to import from
import ctypes
import importlib
import os


def tell(kind, text=""):
    sys.stderr.write("@%s %s\n" % (kind, " ".join(str(text).split())))
    sys.stderr.flush()


def stop(text):
    tell("error", text)
    sys.exit(1)


def own_gpu():
    """Compute capability of the first GPU here, or None."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
        device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        good = cuda.cuInit(0) == 0 and cuda.cuDeviceGet(ctypes.byref(device), 0) == 0
        good = good and cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, device) == 0
        good = good and cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, device) == 0
        return "sm_%d%d" % (major.value, minor.value) if good else None
    except (OSError, AttributeError):
        return None


def load_rtx():
    """TensorRT-RTX's bindings, which want its libraries to be open for everybody first; None when it is not there."""
    try:
        libraries = importlib.import_module("tensorrt_rtx_libs")
        folder = os.path.dirname(os.path.realpath(libraries.__file__))
        for name in "libtensorrt_rtx.so.1", "libtensorrt_onnxparser_rtx.so.1":
            ctypes.CDLL(os.path.join(folder, name), mode=ctypes.RTLD_GLOBAL)
        return importlib.import_module("tensorrt_rtx_bindings")
    except ModuleNotFoundError:
        return None
    except (ImportError, OSError) as error:
        stop("TensorRT-RTX cannot be loaded: %s" % error)


def load_full():
    """TensorRT itself, or None."""
    try:
        return importlib.import_module("tensorrt")
    except (ImportError, OSError):
        return None


def choose(asked):
    """The library, its name, and the GPU to build for. TensorRT builds for the GPU that is there, TensorRT-RTX for any
    that it knows."""
    own = own_gpu()
    gpu = asked or own
    if not gpu:
        stop("there is no NVIDIA GPU here to build for; name one with --gpu, as sm_86 for an RTX 3090")
    full = load_full() if own == gpu else None
    if full:
        return full, "tensorrt", gpu
    rtx = load_rtx()
    if not rtx:
        tell("missing")
        sys.exit(1)
    known = [n for n in rtx.ComputeCapability.__members__ if n.startswith("SM")]
    if gpu.upper().replace("_", "") not in known:
        stop("TensorRT-RTX %s does not build for %s; it knows %s"
             % (rtx.__version__, gpu, ", ".join(n.replace("SM", "sm_") for n in known)))
    return rtx, "tensorrt_rtx", gpu


def build(trt, rtx, gpu, batches, size):
    class Log(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.last = ""

        def log(self, severity, message):
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.last = message

    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            trt.IProgressMonitor.__init__(self)
            self.phases = {}
            self.told = 0

        def phase_start(self, name, parent, steps):
            self.phases[name] = [parent, max(steps, 1), 0]

        def step_complete(self, name, step):
            if name in self.phases:
                self.phases[name][2] = step
                share = max([min(p[2] / p[1], 1) for p in self.phases.values() if p[0] is None] or [0])
                if share >= self.told + 0.01:
                    self.told = share
                    tell("progress", "%.2f" % share)
            return True

        def phase_finish(self, name):
            self.phases.pop(name, None)

    log = Log()
    builder = trt.Builder(log)
    if builder is None:
        stop(log.last or "the builder did not start")
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    with os.fdopen(3, "rb") as file:
        if not parser.parse(file.read()):
            stop("the model was not understood: %s" % (parser.get_error(0).desc() if parser.num_errors else log.last))
    config = builder.create_builder_config()
    if rtx:
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, gpu.upper().replace("_", "")), 0)
    picture = network.get_input(0)
    if -1 in tuple(picture.shape):
        profile = builder.create_optimization_profile()
        profile.set_shape(picture.name, *[(batch, 3) + size for batch in batches])
        config.add_optimization_profile(profile)
    monitor = Monitor()
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        stop(log.last or "no engine came out")
    return bytes(plan)


def main(folder, gpu, *numbers):
    if folder:
        sys.path[:0] = [folder, "%s.cp%d%d" % (folder, sys.version_info[0], sys.version_info[1])]
    numbers = [int(n) for n in numbers]
    trt, name, gpu = choose(gpu)
    tell("library", "%s %s %s" % (name, trt.__version__, gpu))
    if not numbers:
        return
    plan = build(trt, name == "tensorrt_rtx", gpu, numbers[:3], tuple(numbers[3:]))
    with os.fdopen(1, "wb") as out:
        out.write(plan)
    tell("done", len(plan))


main(*sys.argv[1:])
