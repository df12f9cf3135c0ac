"""The backbone: a flow-matching transformer on latents that fold time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import safetensors.torch
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn

from kinema.config import SampleConfig
from kinema.errors import InputError
from kinema.interfaces import (
    Action,
    Actions,
    Adaptation,
    Controller,
    Detach,
    Drawn,
    FitsSites,
    Guidance,
    Request,
    Site,
    Term,
    check_form,
)
from kinema.levels import FLOW_TIMES, Level, Schedule, flow_schedule
from kinema.noise import Streams, seeded
from kinema_wan_like import codes
from kinema_wan_like.configs import WanLikeConfig, WanLikeSample, WanLikeTraining

#: Mask channels beside the image latent: which frames of a group are given.
MASKS = 4
HEADS, HEAD_WIDTH, LAYERS = 2, 12, 2
PATCH = 2
WEIGHTS = "wan-like.safetensors"


@attrs.frozen(eq=False, kw_only=True)
class Embedding:
    """One guidance term of B videos."""

    condition: Tensor
    text: Tensor
    actions: Actions


class WanLike:
    """A video transformer behind kinema's protocol; see :class:`kinema.interfaces.Backbone`.

    Latents are ``(B, T', 16, H / 8, W / 8)`` with T = 1 + 4 (T' - 1). The network sees, one after
    the other, the noisy latents, a mask and the latents of the clip [photo, grey, grey, ...].
    """

    def __init__(self, config: WanLikeConfig) -> None:
        self.device = torch.device(config.device)
        self.dtype = torch.float32
        with seeded(config.seed):
            self.network: Any = WanTransformer3DModel(
                in_channels=2 * codes.CHANNELS + MASKS,
                out_channels=codes.CHANNELS,
                num_attention_heads=HEADS,
                attention_head_dim=HEAD_WIDTH,
                num_layers=LAYERS,
                ffn_dim=32,
                text_dim=codes.WIDTH,
                freq_dim=64,
                rope_max_seq_len=64,
            )
        if config.weights:
            state = safetensors.torch.load_file(Path(config.weights) / WEIGHTS)
            self.network.load_state_dict(state)
        self.network.eval().requires_grad_(False).to(self.device)
        self.sites = _sites()
        self._acting: tuple[Actions, tuple[int, ...]] = ({}, ())

    # -- what can be made ---------------------------------------------------------------------

    def nearest(self, size: tuple[int, int], frames: int) -> tuple[tuple[int, int], int]:
        """Multiples of 16 pixels, and 4 n + 1 frames from 5 on."""
        grid = codes.STRIDE * PATCH
        width, height = (max(grid, round(side / grid) * grid) for side in size)
        return (width, height), 1 + codes.FOLD * max(1, round((frames - 1) / codes.FOLD))

    def latent_shape(self, size: tuple[int, int], frames: int) -> tuple[int, int, int, int]:
        """(T', 16, h, w)."""
        width, height = (side // codes.STRIDE for side in size)
        return 1 + (frames - 1) // codes.FOLD, codes.CHANNELS, height, width

    # -- how it samples -----------------------------------------------------------------------

    def schedule(self, config: SampleConfig) -> Schedule:
        """Levels of flow matching."""
        told = WanLikeSample.of(config)
        return flow_schedule(told.steps, told.shift, told.spacing)

    def guidance(self, config: SampleConfig, schedule: Schedule, frames: int) -> Guidance:
        """One scale for all steps and frames."""
        told = WanLikeSample.of(config)
        return Guidance.constant(told.guidance, schedule.steps, told.motion_guidance)

    def start(self, noise: Tensor, level: Level) -> Tensor:
        """The noise itself."""
        return noise

    def choices(self, embeddings: Mapping[Term, Any]) -> Mapping[str, Any]:
        """It decides nothing."""
        return {}

    # -- control ------------------------------------------------------------------------------

    def attach(self, controller: Controller) -> Detach:
        """Let its feature sites be acted on.

        Raises:
            InputError: the controller does not fit them.
        """
        if isinstance(controller, FitsSites):
            controller.prepare(self.sites)
        hooks = [
            self.network.get_submodule(site.module).register_forward_hook(self._hook(site))
            for site in self.sites
            if site.kind == "feature"
        ]

        def detach() -> None:
            for hook in hooks:
                hook.remove()

        return detach

    def _hook(self, site: Site) -> Any:
        def act(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            actions, grid = self._acting
            action = actions.get(site.name)
            return output if action is None else _as_maps(action, output, grid)

        return act

    # -- once per video -----------------------------------------------------------------------

    def embed(self, request: Request) -> Mapping[Term, Embedding]:
        """The condition channels with the actions at them, and the text of each term."""
        check_form(self, "wan-like", request.size, request.frames)
        image = request.image.to(self.device)
        clip = torch.full((len(image), request.frames, *image.shape[1:]), 0.5, device=self.device)
        clip[:, 0] = image
        given = torch.zeros(len(image), request.frames, device=self.device)
        given[:, 0] = 1.0
        if request.last_image is not None:
            clip[:, -1], given[:, -1] = request.last_image.to(self.device), 1.0
        latents = codes.encode(clip)
        told = {"image-latent": latents, "image-mask": _masks(given, latents)}
        cached = request.cached.get("text")
        prompts = list(request.prompts) or [""] * len(image)
        text = codes.encode_texts(prompts) if cached is None else cached.float()
        dropped = request.dropped.get("prompt", torch.zeros(len(image), dtype=torch.bool))
        text = text.to(self.device) * ~dropped.view(-1, 1, 1).to(self.device)
        negative = [other or "" for other in request.negative_prompts] or [""] * len(image)
        embeddings: dict[Term, Embedding] = {}
        for term, actions in request.terms.items():
            acted = {s: actions[s](told[s]) if s in actions else told[s] for s in told}
            words = codes.encode_texts(negative) if term == "unconditional" else text
            embeddings[term] = Embedding(
                condition=torch.cat([acted["image-mask"], acted["image-latent"]], dim=2),
                text=words.to(self.device),
                actions={s.name: actions[s.name] for s in self.sites if s.name in actions},
            )
        return embeddings

    # -- every step ---------------------------------------------------------------------------

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Embedding]) -> Tensor:
        """``latents - sigma * velocity`` for each term, ``(G, B, T', 16, h, w)``."""
        sigma = level.sigma.view(-1, 1, 1, 1, 1) if level.sigma.ndim else level.sigma
        time = level.sigma * FLOW_TIMES if level.time is None else level.time
        time = time.expand(len(latents))
        return torch.stack(
            [latents - sigma * self._velocity(latents, time, each) for each in embeddings]
        )

    def _velocity(self, latents: Tensor, time: Tensor, embedding: Embedding) -> Tensor:
        seen = torch.cat([latents, embedding.condition], dim=2).transpose(1, 2)
        batch, _, frames, height, width = seen.shape
        self._acting = embedding.actions, (batch, frames, height // PATCH, width // PATCH)
        try:
            velocity: Tensor = self.network(seen, time, embedding.text, return_dict=False)[0]
        finally:
            self._acting = {}, ()
        return velocity.transpose(1, 2)

    # -- pixels -------------------------------------------------------------------------------

    def decode(self, latents: Tensor) -> Tensor:
        """Frames ``(B, T, 3, H, W)``."""
        return codes.decode(latents)

    def encode(self, frames: Tensor) -> Tensor:
        """Latents ``(B, T', 16, h, w)``."""
        return codes.encode(frames)

    # -- training -----------------------------------------------------------------------------

    def encodings(
        self, image: Tensor, prompts: Sequence[str], frames: int = 1
    ) -> Mapping[str, Tensor]:
        """The text, ``(B, 16, 16)``."""
        return {"text": codes.encode_texts(list(prompts) or [""] * len(image))}

    def draw(
        self,
        config: WanLikeTraining,
        streams: Sequence[Streams],
        motion_length: Tensor,
        at: float | None,
    ) -> Drawn:
        """Levels whose logit is normal, shifted; the loss is that of the velocity."""
        logits = torch.cat([torch.randn(1, generator=s.of("level")) for s in streams])
        u = logits.sigmoid()
        sigma = config.shift * u / (1 + (config.shift - 1) * u)
        chance = torch.cat([torch.rand(1, generator=s.of("drop prompt")) for s in streams])
        if at is not None:
            sigma = torch.full_like(sigma, at / (1 + at))
        dropped = (chance < config.drop_prompt) & (at is None)
        return Drawn(level=Level.flow(sigma), weight=sigma**-2, dropped={"prompt": dropped})

    def adapt(self, adaptation: Adaptation) -> nn.Module:
        """Train nothing of the network, or all of it.

        Raises:
            InputError: LoRA is asked for.
        """
        if adaptation.method == "lora":
            raise InputError("wan-like has no LoRA; choose adaptation.method 'none' or 'full'.")
        self.network.requires_grad_(adaptation.method == "full")
        network: nn.Module = self.network
        return network

    def adapter_files(self) -> Mapping[str, bytes]:
        """None."""
        return {}

    def save_weights(self, folder: Path) -> None:
        """The network, as one file."""
        state = {key: value.contiguous() for key, value in self.network.state_dict().items()}
        safetensors.torch.save_file(state, folder / WEIGHTS)


def _sites() -> tuple[Site, ...]:
    def latent(kind: Any, channels: int = codes.CHANNELS) -> Site:
        return Site(
            name=kind, kind=kind, channels=channels, stride=codes.STRIDE,
            temporal_stride=codes.FOLD,
        )  # fmt: skip

    features = {"patches": "patch_embedding"}
    features |= {f"block-{index}": f"blocks.{index}" for index in range(LAYERS)}
    return (
        *(
            Site(
                name=name, kind="feature", channels=HEADS * HEAD_WIDTH, module=module,
                stride=codes.STRIDE * PATCH, temporal_stride=codes.FOLD,
            )
            for name, module in features.items()
        ),
        latent("image-latent"),
        latent("image-mask", MASKS),
        latent("noise"),
        latent("network-input"),
        latent("sampler-step"),
    )  # fmt: skip


def _masks(given: Tensor, latents: Tensor) -> Tensor:
    """``(B, T', 4, h, w)``: for each latent frame, which frames of its group are given."""
    first = given[:, :1].repeat(1, codes.FOLD)
    groups = torch.cat([first, given[:, 1:]], dim=1).unflatten(1, (-1, codes.FOLD))
    height, width = latents.shape[-2:]
    masks: Tensor = groups[..., None, None].expand(-1, -1, -1, height, width)
    return masks


def _as_maps(action: Action, output: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Act on tokens ``(B, T' h w, C)`` or patches ``(B, C, T', h, w)`` as on maps."""
    batch, frames, height, width = grid
    acted: Tensor
    if output.ndim == 5:
        acted = action(output.transpose(1, 2).flatten(0, 1))
        return acted.reshape(batch, frames, *acted.shape[1:]).transpose(1, 2)
    maps = output.reshape(batch * frames, height, width, -1).permute(0, 3, 1, 2)
    acted = action(maps)
    return acted.permute(0, 2, 3, 1).reshape(output.shape)
