#!/usr/bin/env python3
"""Prints what PyTorch computes from the checkpoints of tests/unit/test_pt_blocks.c, as the rows of its table.

    mkdir /tmp/blocks; YOLK_WRITE_FIXTURES=/tmp/blocks build/tests/test_pt_blocks
    python3 tests/golden/blocks.py /tmp/blocks

Needs torch and ultralytics (8.4.190 was used); run by hand when the checkpoints of the test change."""

import sys
from pathlib import Path

import torch
from ultralytics.nn.modules.conv import RepConv

SIZE = 64


def outputs(model, x):
    y = []
    for m in model[:-1]:
        inputs = [x if j == -1 else y[j] for j in m.f] if isinstance(m.f, list) else x
        x = m(inputs)
        y.append(x)
    return [model[-1].cv2[0](x), model[-1].cv3[0](x)]


for path in sorted(Path(sys.argv[1]).glob("*.pt")):
    model = torch.load(path, map_location="cpu")["model"].model.double().eval()
    for m in model.modules():
        if isinstance(m, RepConv) and hasattr(m, "conv"):
            m.forward = m.forward_fuse
    i = torch.arange(3 * SIZE * SIZE)
    x = (((i * 37 + i // SIZE * 11) % 256).double() / 255).view(1, 3, SIZE, SIZE)
    with torch.no_grad():
        out = torch.cat([t.flatten() for t in outputs(model, x)])
    place = (torch.arange(out.numel()) * 29 + 7) % 101 - 50
    print(f"{path.stem}: {out.sum():.4f}, {(out * place).sum():.3f}  (deviation {out.std():.3f})")
