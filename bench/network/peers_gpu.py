"""The network alone on a GPU, a batch at a time: yolk's CUDA backend and PyTorch's CUDA graph, interleaved in one run.

usage: peers_gpu.py [--int8|--compile] [--rounds N] [--replays N] [--models NAME...] [--yolk FOLDER] [--python PROGRAM]
Both run the same checkpoint in half precision: trained weights where there are some, else random ones of ultralytics'
own definition. PyTorch is timed twice: with the outputs that yolk's network ends with, and with its boxes and scores.
All programs of a case stay ready while each in turn is told to run; what is compared is the median over the rounds of
a round's median. --int8 compares yolk with itself instead: 8-bit integers over half precision.
"""
import json
import pathlib
import select
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common

BATCHES = (1, 8, 16, 32)
CASES = [("yolo11n", 640, 640, BATCHES), ("yolo11n", 384, 640, BATCHES), ("yolov8n", 640, 640, BATCHES),
         ("yolo26n", 640, 640, BATCHES), ("yolov8m", 640, 640, (8,)), ("yolo11x", 640, 640, (8,))]
INT8_CASES = [(model, 640, 640, (16,)) for model in ("yolo11n", "yolov8n", "yolo26n")]
FOLDERS = (common.ROOT / ".deps" / "models", common.SHARED / "data" / "weights")
MADE = common.WORK / "peers_gpu"
WORKER = pathlib.Path(__file__).resolve().parent / "torch_worker.py"
PEERS = common.ROOT / ".deps" / "peers" / "bin" / "python"
PROGRAM = {"raw": "torch", "decoded": "torch"}  # by column


class Failed(Exception):
    pass


class Worker:
    """A program that says when it is ready, then answers each line with one, all in JSON."""

    def __init__(self, patience, *command):
        self.patience = patience  # seconds for one answer
        command = [str(c) for c in command]
        self.name = " ".join(pathlib.Path(c).name for c in command)
        self.log = tempfile.TemporaryFile("w+")
        start = time.perf_counter()
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                            text=True)
        except OSError as e:
            raise Failed(f"{self.name}: {e}") from e
        self.ready = self.answer()
        self.ready["start_s"] = time.perf_counter() - start

    def answer(self):
        line = ""
        if select.select([self.process.stdout], [], [], self.patience)[0]:
            line = self.process.stdout.readline()
        try:
            return json.loads(line)
        except ValueError:
            self.process.kill()
            status = self.process.wait()
            self.log.seek(0)
            said = self.log.read().strip().splitlines() or [line.strip() or f"no answer, status {status}"]
            raise Failed(f"{self.name}: {said[-1]}") from None

    def ask(self, *words):
        try:
            print(*words, file=self.process.stdin, flush=True)
        except OSError:
            pass  # it has ended, and answer() says how
        return self.answer()

    def end(self):
        try:
            self.process.stdin.close()
            self.process.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def nvidia_smi(kind, fields):
    """The rows of a query of nvidia-smi, or none where there is no such program."""
    try:
        out = common.run("nvidia-smi", f"--query-{kind}={fields}", "--format=csv,noheader,nounits")
    except (OSError, subprocess.CalledProcessError):
        return []
    return [[cell.strip() for cell in line.split(",")] for line in out.splitlines() if line.strip()]


def card():
    for row in nvidia_smi("gpu", "name,driver_version,memory.total,clocks.max.sm,power.limit"):
        return dict(zip(("card", "driver", "card_mb", "most_mhz", "most_watts"), row))
    return {}


def checkpoint(model, args):
    """A file that both read, and whether its weights are trained ones."""
    for folder in FOLDERS:
        if (folder / f"{model}.pt").exists():
            return folder / f"{model}.pt", True
    path = MADE / f"{model}.pt"
    if not path.exists():
        try:
            common.run(args.python, WORKER, f"{model}.yaml", "--save", path)
        except (OSError, subprocess.CalledProcessError) as e:
            said = (getattr(e, "stderr", "") or str(e)).strip().splitlines()
            raise Failed(f"{model}.yaml: {said[-1]}") from e
    return path, False


def quantised(model, path):
    """The 8-bit file of a model if there is one; else its checkpoint, which network_gpu may know how to quantise."""
    for folder in (*FOLDERS, MADE):
        if (folder / f"{model}_int8.onnx").exists():
            return folder / f"{model}_int8.onnx"
    return path


def start(case, args, failures):
    """Starts what a case needs; gives (batch, column) -> (worker, what it is told beside the number of runs)."""
    model, height, width, batches = case
    path, trained = checkpoint(model, args)
    found, ways = {}, [("yolk", "fp16", path)]
    if args.int8:
        ways = [("fp16", "fp16", path), ("int8", "int8", quantised(model, path))]
    for batch in batches:
        for column, precision, file in ways:
            try:
                found[batch, column] = Worker(args.patience, args.program, file, height, width, batch, precision), ()
            except Failed as e:
                failures.append(str(e))
    if args.int8:
        return found, trained
    more = ["--compile"] if args.compile else []
    try:
        torch = Worker(args.patience, args.python, WORKER, path, height, width, ",".join(map(str, batches)), "fp16",
                       "--head", "both", "--device", args.device, *more)
        found |= {(batch, kind): (torch, (batch, kind)) for batch in batches for kind in ("raw", "decoded")}
    except Failed as e:
        failures.append(str(e))
    return found, trained


def measure(case, args, failures):
    model, height, width, batches = case
    workers, trained = start(case, args, failures)
    runs, dead = {}, set()
    for round_number in range(args.rounds + 1):  # the first one only brings the clocks up
        order = sorted(workers, key=lambda key: key[0])
        for key in order if round_number % 2 else order[::-1]:
            worker, words = workers[key]
            if worker in dead:
                continue
            try:
                result = worker.ask(args.replays, *words)
            except Failed as e:
                failures.append(str(e))
                dead.add(worker)
                continue
            if round_number:
                runs.setdefault(key, []).append(result)
    used = {int(pid): float(mb) for pid, mb in nvidia_smi("compute-apps", "pid,used_memory") if mb.isdigit()}
    rows = []
    for batch in batches:
        found = {column: (workers[b, column][0], results) for (b, column), results in runs.items() if b == batch}
        if not found:
            continue
        medians = {c: [r["median_ms"] for r in results] for c, (_, results) in found.items()}
        row = {"model": model, "weights": "trained" if trained else "random", "shape": f"{height}x{width}",
               "batch": batch, "ms": {c: common.median(times) for c, times in medians.items()},
               "least_ms": {c: min(r["least_ms"] for r in results) for c, (_, results) in found.items()},
               "medians": medians, "ready": {PROGRAM.get(c, c): w.ready for c, (w, _) in found.items()},
               "process_mb": {PROGRAM.get(c, c): used.get(w.process.pid) for c, (w, _) in found.items()}}
        rows.append(row)
        print(model, row["shape"], batch, *(f"{c} {ms:.3f} ms" for c, ms in row["ms"].items()), file=sys.stderr)
    for worker in {worker for worker, _ in workers.values()}:
        worker.end()
    return rows


def quotient(row, over, under):
    a, b = (row["ms"].get(c) if isinstance(c, str) else c for c in (over, under))
    return a / b if a and b else None


def show(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def main():
    parser = common.arguments(__doc__, rounds=5)
    parser.add_argument("--int8", action="store_true", help="yolk in int8 and fp16 at batch 16, without PyTorch")
    parser.add_argument("--replays", type=int, default=50, help="runs of the network a round")
    parser.add_argument("--models", nargs="*", help="only these")
    parser.add_argument("--shapes", nargs="*", metavar="HxW", help="instead of each model's own list")
    parser.add_argument("--batches", nargs="*", type=int, help="instead of each model's own list")
    parser.add_argument("--yolk", type=pathlib.Path, default=common.ROOT / "build" / "bench", metavar="FOLDER",
                        help="where network_gpu is (default: build/bench)")
    parser.add_argument("--python", default=PEERS if PEERS.exists() else sys.executable, help="one that has PyTorch")
    parser.add_argument("--compile", action="store_true", help="PyTorch after torch.compile")
    parser.add_argument("--device", default="cuda", help="PyTorch's; cpu: only to try the script out")
    parser.add_argument("--limit", type=float, default=480, help="seconds after which no other case is begun")
    parser.add_argument("--patience", type=float, default=150, help="seconds that a program may take to answer")
    args = parser.parse_args()
    args.program = args.yolk / "network_gpu"
    cases = [c for c in (INT8_CASES if args.int8 else CASES) if not args.models or c[0] in args.models]
    if args.shapes:
        shapes = [tuple(map(int, s.split("x"))) for s in args.shapes]
        cases = [(m, *s, batches) for m, batches in {c[0]: c[3] for c in cases}.items() for s in shapes]
    if args.batches:
        cases = [(m, h, w, args.batches) for m, h, w, _ in cases]
    MADE.mkdir(parents=True, exist_ok=True)
    began, rows, failures = time.perf_counter(), [], []
    for case in cases:
        if time.perf_counter() - began > args.limit:
            failures.append(f"{case[0]} {case[1]}x{case[2]}: left out, {args.limit:.0f} s were over")
            continue
        try:
            rows += measure(case, args, failures)
        except Failed as e:
            failures.append(str(e))

    columns = {"raw": "PyTorch, ms", "decoded": "with boxes, ms", "yolk": "yolk, ms"}
    over = {"raw_over_yolk": ("raw", "yolk", "PyTorch / yolk"),
            "decoded_over_yolk": ("decoded", "yolk", "with boxes / yolk")}
    if args.int8:
        columns = {"fp16": "fp16, ms", "int8": "int8, ms"}
        over = {"int8_over_fp16": ("int8", "fp16", "int8 / fp16")}
    shown = []
    for row in rows:
        row |= {name: quotient(row, *pair[:2]) for name, pair in over.items()}
        mine = "int8" if args.int8 else "yolk"
        row["bound_ms"] = row["ready"].get(mine, {}).get("bound_ms")
        row["over_bound"] = quotient(row, mine, row["bound_ms"])
        shown.append([row["model"], row["shape"], row["batch"], *(show(row["ms"].get(c), 3) for c in columns),
                      *(show(row[name], 2) for name in over), show(row["bound_ms"], 3), show(row["over_bound"], 2)])
    common.table(["model", "shape", "batch", *columns.values(), *(pair[2] for pair in over.values()), "bound, ms",
                  ("int8" if args.int8 else "yolk") + " / bound"], shown)
    ready = [r["ready"]["torch"] for r in rows if "torch" in r["ready"]]
    versions = {name: ready[0].get(name) for name in ("torch", "cuda", "cudnn")} if ready else {}
    mode = "int8" if args.int8 else "compile" if args.compile else ""
    name, command = ("peers_gpu_" + mode, " --" + mode) if mode else ("peers_gpu", "")
    if rows:
        common.keep(name, "bench/network/peers_gpu.py" + command, rows, **card(), **versions, rounds=args.rounds,
                    replays=args.replays, seconds=round(time.perf_counter() - began), failures=failures, note=args.note)
    for failure in failures:
        print(f"peers_gpu: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
