"""What every benchmark shares: where things are, what machine this is, and how a result is kept."""
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = pathlib.Path(os.environ.get("YOLK_RESULTS", ROOT / "bench" / "results"))
WORK = ROOT / "out" / "bench"
SHARED = pathlib.Path(os.environ.get("YOLK_SHARED", ROOT.parent / "shared"))
YOLK = ROOT / "build" / "yolk"


def arguments(doc, rounds, threads=None):
    """A parser with what most benchmarks take. `doc` is the caller's __doc__."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    if threads is not None:
        parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--note", default="", help="what was special about the run, kept in the result")
    return parser


def run(*command, **kwargs):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, **kwargs).stdout


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def cpu_features():
    known = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp")
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("flags", "Features")):
            have = set(line.split(":", 1)[1].split())
            return [f for f in known if f in have]
    return []


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def commit():
    """The commit of this checkout; of a folder that was made from one, what was written into it."""
    written = ROOT / "commit"
    if written.exists():
        return written.read_text().strip()
    return run("git", "-C", ROOT, "describe", "--always", "--dirty").strip()


def machine():
    return {
        "cpu": cpu_name(),
        "cpu_features": cpu_features(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def keep(name, command, rows, **more):
    """Writes bench/results/NAME.json: the machine, the command, one object a row."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    result = {"command": command, **machine(), **more, "rows": rows}
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{os.path.relpath(path, ROOT)} written")


def table(headers, rows):
    widths = [max(len(str(c)) for c in column) for column in zip(headers, *rows)]
    for row in [headers, ["-" * w for w in widths], *rows]:
        print("| " + " | ".join(str(c).ljust(w) for c, w in zip(row, widths)) + " |")
