"""int8 and fp16 on this processor: what they cost in accuracy and bring in speed, for three models.

usage: int8_cpu.py [--models A,B] [--runs N]     (make bench does this)
Each model is converted to fp32, fp16 and int8, the latter calibrated and checked on ../shared/data/calib alone. Then
`yolk compare` runs fp32 against each of the others in turn in one process, and takes the average precision of both on
the 128 images. Exit status 1 when int8 is refused by its check, is less than 1.2 times as fast, or loses more than 0.01.
"""
import argparse
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common

DATA = common.SHARED / "data"
MODELS = {"yolo26n": "yolo26n.pt", "yolov8n": "yolov8n.pt", "yolo11n-dequant": "yolo11n-dequant.onnx"}
LEAST_SPEEDUP, MOST_LOSS = 1.2, 0.01


def convert(source, made, precision):
    """The sentence that refused it, or None. A refused one is made unchecked, so that there is something to measure."""
    command = [common.YOLK, "convert", source, "-o", made, "--imgsz", "640x640", "--precision", precision, "--no-progress"]
    if precision != "fp32":
        command += ["--calib", DATA / "calib"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode == 0:
        return None, done.stderr.strip().splitlines()
    common.run(*command, "--no-validate")
    return done.stderr.strip().splitlines()[-1], []


def compare(a, b, runs):
    return json.loads(common.run(common.YOLK, "compare", a, b, "--val", DATA / "images" / "val2017", "--labels",
                                 DATA / "images" / "instances_val128.json", "--runs", runs, "--json", "-", "--quiet"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--runs", type=int, default=100)
    args = parser.parse_args()
    common.WORK.mkdir(parents=True, exist_ok=True)
    rows, shown, good = [], [], True
    for model in args.models.split(","):
        source = DATA / "weights" / MODELS[model]
        files = {p: common.WORK / f"{model}_{p}.onnx" for p in ("fp32", "fp16", "int8")}
        convert(source, files["fp32"], "fp32")
        for precision in ("fp16", "int8"):
            refused, said = convert(source, files[precision], precision)
            result = compare(files["fp32"], files[precision], args.runs)
            speed, found = result["speedup"], result["found"]
            loss = result["a"]["ap50_95"] - result["b"]["ap50_95"]
            fine = not refused and (precision != "int8" or (speed["median"] >= LEAST_SPEEDUP and loss <= MOST_LOSS))
            good = good and fine
            rows.append({"model": model, "source_sha256": common.sha256(source), "precision": precision,
                         "bytes": files[precision].stat().st_size, "refused": refused, "said": said,
                         "ap50_95_fp32": result["a"]["ap50_95"], "ap50_95": result["b"]["ap50_95"],
                         "agreement": found["agreement"], "score_difference": found["score_difference"],
                         "fp32_network_ms": result["a"]["network_ms"], "network_ms": result["b"]["network_ms"],
                         "speedup": speed, "fine": fine})
            shown.append([model, precision, f"{result['a']['ap50_95']:.4f}", f"{result['b']['ap50_95']:.4f}",
                          f"{100 * found['agreement']:.1f} %", f"{found['score_difference']:.3f}",
                          f"{speed['median']:.2f} ({speed['low']:.2f}-{speed['high']:.2f})", refused or "passed"])
    common.table(["model", "precision", "AP fp32", "AP", "agreement", "scores within", "speed-up (95 %)", "check"], shown)
    common.keep("int8_cpu", "bench/convert/int8_cpu.py", rows, runs=args.runs)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
