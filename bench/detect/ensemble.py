"""What fusing yolo26n and yolov8n gains in accuracy, by setting, on the 128 reference pictures.

Each model runs once; its detections are then fused with each setting by yolk's own code (build/bench/fuse_results), and
the default once more by `yolk detect --model A,B`. AP is given for all pictures, for every other one, on which a
setting may be chosen, and for the rest; the last column is a paired bootstrap over pictures: how far the gain over the
better model alone moves (95 %) when other pictures had been drawn. Needs bench/setup-peers.sh.

usage: ensemble.py
"""
import contextlib
import io
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

MODELS = ("yolo26n", "yolov8n")
IMAGES = common.SHARED / "data/images"
DRAWS = 200
SETTINGS = [
    "ensemble=wbf ensemble_iou=0.7",
    *[f"ensemble=wbf ensemble_iou={iou}" for iou in ("0.45", "0.55", "0.6", "0.65", "0.75", "0.8")],
    *[f"ensemble=wbf ensemble_weights={weights}" for weights in ("1.5,1", "2,1", "3,1", "1,1.5")],
    *[f"ensemble=vote ensemble_votes={votes} ensemble_merge={merge}"
      for votes in ("affirmative", "unanimous") for merge in ("best", "average")],
    "ensemble=vote ensemble_votes=affirmative ensemble_iou=0.55",
    "ensemble=vote ensemble_votes=unanimous ensemble_iou=0.55",
]


class Scorer:
    """AP50-95 of one file of results for any draw of the pictures."""

    def __init__(self, truth, path):
        with contextlib.redirect_stdout(io.StringIO()):
            self.run = COCOeval(truth, truth.loadRes(str(path)), "bbox")
            self.run.params.areaRng, self.run.params.areaRngLbl = [[0, 1e10]], ["all"]
            self.run.params.maxDets = [100]
            self.run.evaluate()
        self.found = self.run.evalImgs
        self.ids = list(self.run.params.imgIds)

    def ap(self, draw):
        run, count = self.run, len(self.ids)
        run.evalImgs = [self.found[category * count + i] for category in range(len(run.params.catIds)) for i in draw]
        run.params.imgIds = run._paramsEval.imgIds = list(range(len(draw)))
        with contextlib.redirect_stdout(io.StringIO()):
            run.accumulate()
        precision = run.eval["precision"][:, :, :, 0, 0]
        return float(precision[precision > -1].mean())


def draws(count):
    noise = random.Random(1)
    return [[noise.randrange(count) for _ in range(count)] for _ in range(DRAWS)]


def row(scorer, better, name, resampled):
    every = range(len(scorer.ids))
    result = {"setting": name, "ap": scorer.ap(every), "ap_even": scorer.ap(every[::2]), "ap_odd": scorer.ap(every[1::2])}
    if better:
        gains = sorted(scorer.ap(d) - b for d, b in zip(resampled, better["draws"]))
        result["gain"] = result["ap"] - better["ap"]
        result["gain_low"], result["gain_high"] = gains[len(gains) // 40], gains[-1 - len(gains) // 40]
    return {key: round(v, 4) if isinstance(v, float) else v for key, v in result.items()}


def detect(model, path):
    common.run(common.YOLK, "detect", IMAGES / "val2017", "--model", model, "--imgsz", 640, "--conf", 0.001, "--iou",
               0.7, "--max-det", 300, "--multi-label", "--save-coco", path, "-q")
    return path


def main():
    common.WORK.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(IMAGES / "instances_val128.json"))
    files = [common.SHARED / f"data/weights/{m}.pt" for m in MODELS]
    found = [detect(f, common.WORK / f"{m}.json") for m, f in zip(MODELS, files)]
    resampled = draws(len(truth.getImgIds()))
    rows, better = [], None
    for name, path in zip(MODELS, found):
        scorer = Scorer(truth, path)
        rows.append(row(scorer, None, name + " alone", resampled))
        if not better or rows[-1]["ap"] > better["ap"]:
            better = {"ap": rows[-1]["ap"], "draws": [scorer.ap(d) for d in resampled]}
    fused = common.WORK / "fused.json"
    for setting in SETTINGS:
        common.run(common.ROOT / "build/bench/fuse_results", fused, "max_det=300", *setting.split(), "--", *found)
        rows.append(row(Scorer(truth, fused), better, setting, resampled))
        print(rows[-1], file=sys.stderr, flush=True)
    rows.append(row(Scorer(truth, detect(",".join(map(str, files)), fused)), better,
                    "yolk detect --model " + ",".join(MODELS), resampled))
    common.table(["setting", "AP50-95", "even pictures", "odd pictures", "gain", "95 %"],
                 [[r["setting"], r["ap"], r["ap_even"], r["ap_odd"], r.get("gain", ""),
                   f"{r['gain_low']:+.4f} {r['gain_high']:+.4f}" if "gain" in r else ""] for r in rows])
    common.keep("ensemble", "bench/detect/ensemble.py", rows, pictures=len(truth.getImgIds()),
                models={m: common.sha256(f) for m, f in zip(MODELS, files)})


if __name__ == "__main__":
    main()
