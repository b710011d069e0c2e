"""Exports a checkpoint with ultralytics. usage: ultralytics_export.py MODEL.pt FORMAT HEIGHT WIDTH; prints the path."""
import shutil
import sys
from pathlib import Path

from ultralytics import YOLO

source, form, height, width = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
made = Path(YOLO(source).export(format=form, imgsz=(height, width), simplify=True, verbose=False))
wanted = made.with_name(f"{source.stem}_{height}x{width}" + (".onnx" if form == "onnx" else "_openvino_model"))
if wanted.is_dir():
    shutil.rmtree(wanted)
made.rename(wanted)
print(wanted)
