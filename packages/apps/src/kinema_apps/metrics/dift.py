"""DIFT (Tang et al. 2023): features of places that a diffusion model has, for MD-Img.

As the evaluation of DragDiffusion has it: Stable Diffusion 2.1, noise of step 261, the output of
the second up block, averaged over 8 draws of the noise. The model's id is a parameter, since the
original repository is gone: a folder in diffusers' form.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.extras import require
from kinema.pretrained import load_part, load_pretrained
from kinema_apps.metrics.configs import DiftConfig
from kinema_apps.metrics.records import STABLE_DIFFUSION
from kinema_apps.metrics.weights import absent


class DiftFeatures:
    """Features ``(T, C, h, w)`` of uint8 frames ``(T, H, W, 3)``.

    Raises:
        ExtraError: diffusers or transformers is not installed.
        WeightsError: the folder holds no Stable Diffusion.
    """

    def __init__(self, config: DiftConfig, metric: str = "md-img") -> None:
        for package in ("diffusers", "transformers"):
            require(package, "kinema-apps[published]", f"The metric {metric!r}")
        path = config.path
        if not path or not (Path(path) / "unet" / "config.json").is_file():
            raise absent(metric, path, STABLE_DIFFUSION)
        from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer

        needed = f"The metric {metric!r} needs it."
        parts = [
            load_pretrained(kind, Path(path) / folder, needed, use_safetensors=True)
            for kind, folder in (
                (UNet2DConditionModel, "unet"),
                (AutoencoderKL, "vae"),
                (CLIPTextModel, "text_encoder"),
            )
        ]
        tokenizer = load_part(CLIPTokenizer, Path(path) / "tokenizer", "The tokenizer", needed)
        self._scheduler: Any = load_part(
            DDIMScheduler, Path(path) / "scheduler", "The scheduler", needed
        )
        self._config = config
        device = config.device
        self._unet, self._vae, text = (
            part.eval().requires_grad_(False).to(device) for part in parts
        )
        words = tokenizer(
            config.prompt,
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        with torch.no_grad():
            self._prompt: Tensor = text(words.input_ids.to(device))[0]

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> Tensor:
        """Of every frame."""
        return torch.cat([self._of(frame[None]) for frame in frames])

    def _of(self, frame: Tensor) -> Tensor:
        config = self._config
        picture = frame.permute(0, 3, 1, 2).float() / 127.5 - 1
        picture = F.interpolate(picture, (config.side, config.side), mode="bilinear")
        encoded = self._vae.encode(picture.to(config.device)).latent_dist.mean
        latents = encoded * self._vae.config.scaling_factor
        generator = torch.Generator().manual_seed(config.seed)
        noise = torch.randn((config.ensemble, *latents.shape[1:]), generator=generator)
        step = torch.tensor([config.step], device=latents.device)
        noisy = self._scheduler.add_noise(
            latents.expand(config.ensemble, -1, -1, -1), noise.to(latents), step
        )
        found: list[Tensor] = []
        block = self._unet.up_blocks[config.block]
        hook = block.register_forward_hook(lambda module, inputs, output: found.append(output))
        try:
            prompt = self._prompt.expand(config.ensemble, -1, -1)
            self._unet(noisy, step, encoder_hidden_states=prompt)
        finally:
            hook.remove()
        return found[0].mean(dim=0, keepdim=True).float().cpu()
