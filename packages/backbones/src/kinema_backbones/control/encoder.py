"""The motion encoder: a signal's maps to one feature per scale."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from kinema.errors import InputError


class TemporalConv(nn.Conv1d):
    """A convolution of 3 frames whose clip is continued by its first and last frame.

    Its weight is that of ``Conv1d(kernel_size=3)``; it runs as a 2-d convolution over
    (frames, pixels), so that no pixel is moved into the batch.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel_size=3)

    def over(self, x: Tensor, frames: int) -> Tensor:
        """``(B * T, C, h, w)`` to ``(B * T, C', h, w)``."""
        _, channels, height, width = x.shape
        clip = x.view(-1, frames, channels, height * width).transpose(1, 2)
        clip = nn.functional.pad(clip, (0, 0, 1, 1), mode="replicate")
        mixed = nn.functional.conv2d(clip, self.weight[..., None], self.bias)
        return mixed.transpose(1, 2).reshape(-1, self.out_channels, height, width)


class Stage(nn.Module):
    """(GroupNorm, SiLU,) 3x3 convolution, temporal convolution (, GroupNorm, SiLU).

    Without ``norms`` the GroupNorms do nothing.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        *,
        before: bool = False,
        after: bool = False,
        norms: bool = True,
    ) -> None:
        super().__init__()
        self.norm_in = _norm(inputs, norms) if before else None
        self.spatial = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.temporal = TemporalConv(outputs, outputs)
        self.norm_out = _norm(outputs, norms) if after else None
        if not norms:
            # Torch's own weights would let the signal fade by more than half at every stage.
            nn.init.kaiming_normal_(self.spatial.weight, nonlinearity="relu")
            nn.init.kaiming_normal_(self.temporal.weight, nonlinearity="linear")

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """``(B * T, C, h, w)`` to ``(B * T, C', h', w')``."""
        if self.norm_in is not None:
            x = nn.functional.silu(self.norm_in(x))
        x = self.temporal.over(self.spatial(x), frames)
        if self.norm_out is not None:
            x = nn.functional.silu(self.norm_out(x))
        return x


class MotionEncoder(nn.Module):
    """MotionPro's motion encoder (CVPR 2025, section 3.3), for any scales that are powers of two.

    The stem goes down to the finest stride by halves, doubling its channels; each further scale is
    one stage and a strided convolution.

    Args:
        channels: C of the signal.
        levels: stride of each scale and the channels of its feature.
        norms: whether features are normalised.

    Raises:
        InputError: a stride is no power of two, or channels do not allow the stem's halving.
    """

    def __init__(self, channels: int, levels: Mapping[int, int], norms: bool = True) -> None:
        super().__init__()
        strides = sorted(levels)
        if not strides or any(s < 1 or s & (s - 1) for s in strides):
            raise InputError(
                f"The motion encoder needs strides that are powers of two, got {strides!r}."
            )
        self.strides = tuple(strides)
        halvings = strides[0].bit_length() - 1
        finest = levels[strides[0]]
        widths = [finest >> (halvings - 1 - i) for i in range(halvings)] or [finest]
        if min(widths) < 1:
            raise InputError(
                f"{finest} channels at stride {strides[0]} are too few to be halved "
                f"{halvings - 1} times."
            )
        self.stem = nn.ModuleList(
            Stage(before, after, 2 if halvings else 1, after=index + 1 < len(widths), norms=norms)
            for index, (before, after) in enumerate(
                zip([channels, *widths[:-1]], widths, strict=True)
            )
        )
        self.scales = nn.ModuleList()
        self.downs = nn.ModuleList()
        self._kept: list[bool] = []
        width, stride = finest, strides[0]
        while stride < strides[-1]:
            stride *= 2
            target = levels[min(s for s in strides if s >= stride)]
            self.scales.append(Stage(width, target, 1, before=True, norms=norms))
            self.downs.append(nn.Conv2d(target, target, 3, stride=2, padding=1))
            self._kept.append(stride in levels)
            width = target

    def forward(self, maps: Tensor) -> list[Tensor]:
        """Features ``(B * T, C_i, H / stride_i, W / stride_i)``, finest first.

        Args:
            maps: the signal ``(B, T, C, H, W)``: displacements in pixels, masks 0 or 1.

        Raises:
            InputError: H or W is no multiple of the coarsest stride.
        """
        frames, _, height, width = maps.shape[1:]
        if height % self.strides[-1] or width % self.strides[-1]:
            raise InputError(
                f"A signal of {width}x{height} pixels cannot be encoded: its sides must be "
                f"multiples of {self.strides[-1]}."
            )
        x = maps.flatten(0, 1)
        for stage in self.stem:
            x = stage(x, frames)
        features = [x]
        for stage, down, kept in zip(self.scales, self.downs, self._kept, strict=True):
            x = down(stage(x, frames))
            if kept:
                features.append(x)
        return features

    def by_stride(self, maps: Tensor) -> dict[int, Tensor]:
        """The features of :meth:`forward`, by stride."""
        return dict(zip(self.strides, self(maps), strict=True))


def _norm(channels: int, norms: bool) -> nn.Module:
    return nn.GroupNorm(math.gcd(8, channels), channels) if norms else nn.Identity()


def zeroed(module: nn.Module) -> nn.Module:
    """The module with every parameter set to zero, so that it contributes nothing at first."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    return module
