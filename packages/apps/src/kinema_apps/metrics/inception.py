"""Inception v3 as FID has it: the network of 2015, whose pooled features (2048) are compared.

The architecture is Inception v3 (Szegedy et al. 2015) with the differences of the TensorFlow graph
that FID was defined with: average pools leave the padding out, and the last block takes a maximum
where the others average. Names of parts are those of the weights of torch-fidelity, as are the
resizing (bilinear, as TensorFlow 1 did: pixel corners, no anti-aliasing) and the range.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinema_apps.metrics.records import INCEPTION
from kinema_apps.metrics.weights import absent, load_into, read_state

SIDE = 299
WIDTH = 2048
CLASSES = 1008

#: Frames that go through the network at once.
AT_ONCE = 16


class _Conv(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self,
        inner: int,
        outer: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outer, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


def _mean(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class _A(nn.Module):
    def __init__(self, inner: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(inner, 64, 1)
        self.branch5x5_1 = _Conv(inner, 48, 1)
        self.branch5x5_2 = _Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = _Conv(inner, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, padding=1)
        self.branch_pool = _Conv(inner, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch5x5_2(self.branch5x5_1(x)),
                self.branch3x3dbl_3(double),
                self.branch_pool(_mean(x)),
            ],
            1,
        )


class _B(nn.Module):
    def __init__(self, inner: int) -> None:
        super().__init__()
        self.branch3x3 = _Conv(inner, 384, 3, stride=2)
        self.branch3x3dbl_1 = _Conv(inner, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 2)], 1)


class _C(nn.Module):
    def __init__(self, inner: int, mid: int) -> None:
        super().__init__()
        wide, tall = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
        self.branch1x1 = _Conv(inner, 192, 1)
        self.branch7x7_1 = _Conv(inner, mid, 1)
        self.branch7x7_2 = _Conv(mid, mid, *wide)
        self.branch7x7_3 = _Conv(mid, 192, *tall)
        self.branch7x7dbl_1 = _Conv(inner, mid, 1)
        self.branch7x7dbl_2 = _Conv(mid, mid, *tall)
        self.branch7x7dbl_3 = _Conv(mid, mid, *wide)
        self.branch7x7dbl_4 = _Conv(mid, mid, *tall)
        self.branch7x7dbl_5 = _Conv(mid, 192, *wide)
        self.branch_pool = _Conv(inner, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
                self.branch7x7dbl_5(self.branch7x7dbl_4(double)),
                self.branch_pool(_mean(x)),
            ],
            1,
        )


class _D(nn.Module):
    def __init__(self, inner: int) -> None:
        super().__init__()
        self.branch3x3_1 = _Conv(inner, 192, 1)
        self.branch3x3_2 = _Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = _Conv(inner, 192, 1)
        self.branch7x7x3_2 = _Conv(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = _Conv(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = _Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        long = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat(
            [
                self.branch3x3_2(self.branch3x3_1(x)),
                self.branch7x7x3_4(long),
                F.max_pool2d(x, 3, 2),
            ],
            1,
        )


class _E(nn.Module):
    def __init__(self, inner: int, largest: bool) -> None:
        super().__init__()
        self.largest = largest
        self.branch1x1 = _Conv(inner, 320, 1)
        self.branch3x3_1 = _Conv(inner, 384, 1)
        self.branch3x3_2a = _Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = _Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = _Conv(inner, 448, 1)
        self.branch3x3dbl_2 = _Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = _Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = _Conv(inner, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, 1, 1) if self.largest else _mean(x)
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch3x3_2a(single),
                self.branch3x3_2b(single),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                self.branch_pool(pooled),
            ],
            1,
        )


class Inception(nn.Module):
    """From pictures ``(B, 3, 299, 299)`` in [-1, 1] to features ``(B, 2048)``."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = _Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = _Conv(80, 192, 3)
        self.Mixed_5b = _A(192, 32)
        self.Mixed_5c = _A(256, 64)
        self.Mixed_5d = _A(288, 64)
        self.Mixed_6a = _B(288)
        self.Mixed_6b = _C(768, 128)
        self.Mixed_6c = _C(768, 160)
        self.Mixed_6d = _C(768, 160)
        self.Mixed_6e = _C(768, 192)
        self.Mixed_7a = _D(768)
        self.Mixed_7b = _E(1280, largest=False)
        self.Mixed_7c = _E(2048, largest=True)
        self.fc = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, 299, 299)`` to ``(B, 2048)``."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, 2))))
        x = self.Mixed_6b(self.Mixed_6a(x))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(x)))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean(dim=(2, 3))


def as_tensorflow_1(pictures: Tensor, side: int) -> Tensor:
    """``(B, C, H, W)`` resized to ``side``: pixel i of the result is at ``i * H / side`` before."""
    for axis in (2, 3):
        size = pictures.shape[axis]
        places = torch.arange(side, dtype=torch.float32) * (size / side)
        low = places.floor().long()
        part = (places - low).reshape((-1, 1) if axis == 2 else (-1,))
        high = (low + 1).clamp(max=size - 1)
        first, second = pictures.index_select(axis, low), pictures.index_select(axis, high)
        pictures = first + (second - first) * part
    return pictures


class InceptionFeatures:
    """Features ``(T, 2048)`` of uint8 frames ``(T, H, W, 3)``.

    Raises:
        WeightsError: the weights are absent or others.
    """

    def __init__(self, path: str, metric: str, device: str = "cpu") -> None:
        file = Path(path)
        if not path or not file.is_file():
            raise absent(metric, path, (INCEPTION,))
        self._network = Inception()
        load_into(self._network, read_state(metric, file, INCEPTION), metric, file)
        self._network.to(device)
        self._device = device

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> Tensor:
        """Of every frame."""
        found = []
        for part in frames.split(AT_ONCE):
            pictures = as_tensorflow_1(part.permute(0, 3, 1, 2).float(), SIDE)
            found.append(self._network(((pictures - 128) / 128).to(self._device)).cpu())
        return torch.cat(found)
