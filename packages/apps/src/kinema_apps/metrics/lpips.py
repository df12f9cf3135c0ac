"""LPIPS (Zhang et al. 2018) with AlexNet: how unlike two pictures look to a network.

The network is torchvision's AlexNet, whose five stages are compared channel by channel with the
weights of the authors (``alex.pth`` of version 0.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinema.interfaces import Truth
from kinema.motion.motion import Motion
from kinema_apps.metrics.ground_truth import PictureMetric
from kinema_apps.metrics.records import LPIPS
from kinema_apps.metrics.weights import absent, load_into, read_state

#: What the pictures in [-1, 1] are brought to before the network.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)

#: Of the five stages: (index among torchvision's ``features``, channels before, channels, kernel,
#: stride, padding, whether a pool comes first).
STAGES = (
    (0, 3, 64, 11, 4, 2, False),
    (3, 64, 192, 5, 1, 2, True),
    (6, 192, 384, 3, 1, 1, True),
    (8, 384, 256, 3, 1, 1, False),
    (10, 256, 256, 3, 1, 1, False),
)


class LpipsNetwork(nn.Module):
    """From two ``(B, 3, H, W)`` in [-1, 1] to ``(B,)``."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict(
            {
                str(index): nn.Conv2d(inner, outer, kernel, stride, padding)
                for index, inner, outer, kernel, stride, padding, _ in STAGES
            }
        )
        self.heads = nn.ParameterDict(
            {str(index): torch.zeros(1, outer, 1, 1) for index, _, outer, *_ in STAGES}
        )

    def _stages(self, x: Tensor) -> list[Tensor]:
        shift = torch.tensor(SHIFT, device=x.device)[:, None, None]
        scale = torch.tensor(SCALE, device=x.device)[:, None, None]
        x = (x - shift) / scale
        found = []
        for index, *_, pooled in STAGES:
            x = F.max_pool2d(x, 3, 2) if pooled else x
            x = F.relu(self.features[str(index)](x))
            found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Twice ``(B, 3, H, W)`` in [-1, 1] to ``(B,)``."""
        total = torch.zeros(len(first), device=first.device)
        pairs = zip(STAGES, self._stages(first), self._stages(second), strict=True)
        for (index, *_), one, two in pairs:
            apart = (one - two).square() * self.heads[str(index)]
            total = total + apart.sum(1).mean(dim=(1, 2))
        return total


class Lpips(PictureMetric):
    """The mean over frames of LPIPS to the real video.

    Raises:
        WeightsError: a file of weights is absent or another one.
    """

    def __init__(self, path: str, device: str = "cpu") -> None:
        self._network = LpipsNetwork()
        folder = Path(path)
        if not path or not all((folder / record.path).is_file() for record in LPIPS):
            raise absent("lpips", path, LPIPS)
        backbone, heads = (read_state("lpips", folder / each.path, each) for each in LPIPS)
        state = {name: value for name, value in backbone.items() if name.startswith("features.")}
        for number, (index, *_) in enumerate(STAGES):
            if (head := heads.get(f"lin{number}.model.1.weight")) is not None:
                state[f"heads.{index}"] = head
        load_into(self._network, state, "lpips", folder)
        self._network.to(device)
        self._device = device
        super().__init__("lpips", self._distance)

    @torch.no_grad()
    def _distance(self, first: Tensor, second: Tensor) -> Tensor:
        found: Tensor = self._network(
            (first * 2 - 1).to(self._device), (second * 2 - 1).to(self._device)
        )
        return found.cpu()

    def compare(self, frames: Tensor, motion: Motion, truth: Truth) -> Mapping[str, float]:
        """As :meth:`PictureMetric.compare`.

        Raises:
            InputError: the real video is unknown or of another form.
        """
        return super().compare(frames, motion, truth)
