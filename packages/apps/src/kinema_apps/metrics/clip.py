"""CLIP's image embeddings of frames, for the published frame consistency."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.extras import require
from kinema.pretrained import load_pretrained
from kinema_apps.metrics.records import CLIP
from kinema_apps.metrics.weights import absent

#: Of CLIP's own preprocessing, of values in [0, 1].
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class ClipFeatures:
    """Embeddings ``(T, d)`` of uint8 frames ``(T, H, W, 3)``; ``openai/clip-vit-base-patch32``.

    The short side is resized to the network's (bicubic), and the centre is cut out, as CLIP does.

    Raises:
        ExtraError: transformers is not installed.
        WeightsError: the folder holds no such network.
    """

    def __init__(self, path: str, metric: str, device: str = "cpu") -> None:
        require("transformers", "kinema-apps[published]", f"The metric {metric!r}")
        if not path or not (Path(path) / "config.json").is_file():
            raise absent(metric, path, (CLIP,))
        from transformers import CLIPVisionModelWithProjection

        # Safetensors if they are there, else the pickle, of which only tensors are read.
        found = load_pretrained(
            CLIPVisionModelWithProjection,
            Path(path),
            f"The metric {metric!r} needs them.",
            weights_only=True,
        )
        self._network: Any = found.eval().requires_grad_(False).to(device)
        self._side = int(self._network.config.image_size)
        self._device = device

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> Tensor:
        """Of every frame."""
        height, width = frames.shape[1:3]
        scale = self._side / min(height, width)
        size = round(height * scale), round(width * scale)
        floats = frames.permute(0, 3, 1, 2).float()
        floats = F.interpolate(floats, size, mode="bicubic", antialias=True)
        floats = floats.clamp(0, 255).round() / 255
        top, left = (size[0] - self._side) // 2, (size[1] - self._side) // 2
        floats = floats[:, :, top : top + self._side, left : left + self._side]
        mean, deviation = (torch.tensor(each)[:, None, None] for each in (MEAN, DEVIATION))
        inputs = ((floats - mean) / deviation).to(self._device)
        return self._network(pixel_values=inputs).image_embeds.cpu()  # type: ignore[no-any-return]
