"""Networks of original YOLOv5, small enough to read: classes with the names, parts and attributes that its checkpoints
hold (modules models.yolo and models.common), so that importing such checkpoints can be tested without its sources.

build("yolov5s") is release 6 and later, "yolov5s6" the one with four levels, "yolov5s-old" has what releases 1 to 5
had: Focus, BottleneckCSP, SPP and other activations. The head gives its raw outputs."""

import sys
import types

import torch
from torch import nn

SIZES = {"n": (0.33, 0.25), "s": (0.33, 0.50), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
ANCHORS3 = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]
ANCHORS4 = [[19, 27, 44, 40, 38, 94], [96, 68, 86, 152, 180, 137], [140, 301, 303, 264, 238, 542],
            [436, 615, 739, 380, 925, 792]]


class Conv(nn.Module):
    def __init__(self, c1, c2, k=1, s=1, p=None, act=None):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2 if p is None else p, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3)
        self.act = act or nn.SiLU()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, c1, c2, shortcut=True, act=None):
        super().__init__()
        self.cv1 = Conv(c1, c2, 1, act=act)
        self.cv2 = Conv(c2, c2, 3, act=act)
        self.add = shortcut and c1 == c2

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C3(nn.Module):
    def __init__(self, c1, c2, n=1, shortcut=True):
        super().__init__()
        c = c2 // 2
        self.cv1 = Conv(c1, c)
        self.cv2 = Conv(c1, c)
        self.cv3 = Conv(2 * c, c2)
        self.m = nn.Sequential(*(Bottleneck(c, c, shortcut) for _ in range(n)))

    def forward(self, x):
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class BottleneckCSP(nn.Module):
    def __init__(self, c1, c2, n=1, shortcut=True):
        super().__init__()
        c = c2 // 2
        self.cv1 = Conv(c1, c, act=nn.Hardswish())
        self.cv2 = nn.Conv2d(c1, c, 1, bias=False)
        self.cv3 = nn.Conv2d(c, c, 1, bias=False)
        self.cv4 = Conv(2 * c, c2, act=nn.Hardswish())
        self.bn = nn.BatchNorm2d(2 * c, eps=1e-3)
        self.act = nn.LeakyReLU(0.1)
        self.m = nn.Sequential(*(Bottleneck(c, c, shortcut, nn.Hardswish()) for _ in range(n)))

    def forward(self, x):
        return self.cv4(self.act(self.bn(torch.cat((self.cv3(self.m(self.cv1(x))), self.cv2(x)), 1))))


class SPP(nn.Module):
    def __init__(self, c1, c2, k=(5, 9, 13)):
        super().__init__()
        self.cv1 = Conv(c1, c1 // 2)
        self.cv2 = Conv(c1 // 2 * (len(k) + 1), c2)
        self.m = nn.ModuleList([nn.MaxPool2d(x, 1, x // 2) for x in k])

    def forward(self, x):
        x = self.cv1(x)
        return self.cv2(torch.cat([x] + [m(x) for m in self.m], 1))


class SPPF(nn.Module):
    def __init__(self, c1, c2, k=5):
        super().__init__()
        self.cv1 = Conv(c1, c1 // 2)
        self.cv2 = Conv(c1 // 2 * 4, c2)
        self.m = nn.MaxPool2d(k, 1, k // 2)

    def forward(self, x):
        y = [self.cv1(x)]
        for _ in range(3):
            y.append(self.m(y[-1]))
        return self.cv2(torch.cat(y, 1))


class Focus(nn.Module):
    def __init__(self, c1, c2, k=3):
        super().__init__()
        self.conv = Conv(4 * c1, c2, k)

    def forward(self, x):
        return self.conv(torch.cat([x[..., a::2, b::2] for b in (0, 1) for a in (0, 1)], 1))


class Concat(nn.Module):
    def __init__(self):
        super().__init__()
        self.d = 1

    def forward(self, x):
        return torch.cat(x, self.d)


class Detect(nn.Module):
    def __init__(self, nc, anchors, channels, strides):
        super().__init__()
        self.nc, self.no, self.nl, self.na = nc, nc + 5, len(anchors), len(anchors[0]) // 2
        self.stride = torch.tensor(strides, dtype=torch.float32)
        steps = torch.tensor(anchors, dtype=torch.float32).view(self.nl, -1, 2)
        self.register_buffer("anchors", steps / self.stride.view(-1, 1, 1))
        self.m = nn.ModuleList(nn.Conv2d(c, self.no * self.na, 1) for c in channels)

    def forward(self, x):
        return [m(y) for m, y in zip(self.m, x)]


class DetectionModel(nn.Module):
    def __init__(self, layers, names, yaml_file):
        super().__init__()
        self.model = nn.Sequential(*layers)
        self.names, self.yaml_file, self.yaml = names, yaml_file, {"nc": len(names), "ch": 3}
        self.stride = layers[-1].stride

    def forward(self, x):
        y = []
        for m in self.model:
            inputs = [x if j == -1 else y[j] for j in m.f] if isinstance(m.f, list) else x if m.f == -1 else y[m.f]
            x = m(inputs)
            y.append(x)
        return x


for name, classes in (("models", ()), ("models.yolo", (Detect, DetectionModel)),
                      ("models.common", (Conv, Bottleneck, C3, BottleneckCSP, SPP, SPPF, Focus, Concat))):
    module = sys.modules[name] = types.ModuleType(name)
    for c in classes:
        c.__module__ = name
        setattr(module, c.__name__, c)


def build(name):
    old, p6 = name.endswith("-old"), name.endswith("6")
    depth, width = SIZES[name.removeprefix("yolov5")[0]]
    block = BottleneckCSP if old else C3
    layers, channels = [], []

    def c_of(index):
        return channels[index] if channels else 3

    def add(module, out, source=-1):
        module.i, module.f = len(layers), source
        layers.append(module)
        channels.append(out)
        return len(layers) - 1

    def conv(c, k=3, s=2, p=None):
        c = -(-int(c * width) // 8) * 8
        return add(Conv(c_of(-1), c, k, s, p), c)

    def csp(c, n, shortcut=True):
        c = -(-int(c * width) // 8) * 8
        return add(block(c_of(-1), c, max(round(n * depth), 1), shortcut), c)

    def concat(other):
        return add(Concat(), c_of(-1) + channels[other], [-1, other])

    widths = [256, 512, 768, 1024] if p6 else [256, 512, 1024]
    if old:
        c = -(-int(64 * width) // 8) * 8
        add(Focus(3, c), c)
    else:
        conv(64, 6, 2, 2)
    conv(128)
    csp(128, 3)
    taps = []
    for level, c in enumerate(widths):
        conv(c)
        if old and c == 1024:
            add(SPP(c_of(-1), c_of(-1)), c_of(-1))
        taps.append(csp(c, 9 if level == 1 else 6 if level == 0 else 3, not (old and c == 1024)))
    if not old:
        add(SPPF(c_of(-1), c_of(-1)), c_of(-1))
    laterals = []
    for level in range(len(widths) - 2, -1, -1):
        laterals.append(conv(widths[level], 1, 1))
        add(nn.Upsample(None, 2, "nearest"), c_of(-1))
        concat(taps[level])
        csp(widths[level], 3, False)
    outputs = [len(layers) - 1]
    for level in range(1, len(widths)):
        conv(widths[level - 1])
        concat(laterals[-level])
        outputs.append(csp(widths[level], 3, False))
    head = Detect(4, ANCHORS4 if p6 else ANCHORS3, [channels[i] for i in outputs], [8 * 2**i for i in range(len(widths))])
    add(head, 0, outputs)
    return DetectionModel(layers, ["person", "car", "dog", "cat"], name + ".yaml")
