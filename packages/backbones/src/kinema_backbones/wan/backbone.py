"""The ``wan`` backbone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from kinema.config import SampleConfig
from kinema.errors import InputError
from kinema.interfaces import (
    Adapter,
    Controller,
    Guidance,
    Request,
    Site,
    Term,
    check_form,
)
from kinema.levels import FLOW_TIMES, Level, Schedule, flow_schedule
from kinema.motion.canvas import Size
from kinema.noise import seeded
from kinema.offers import NativeForm
from kinema_backbones.adaptation import Adapted
from kinema_backbones.attaching import readied
from kinema_backbones.lora_files import merge_file
from kinema_backbones.svd.lora import attach_lora
from kinema_backbones.wan import attention, images, naming
from kinema_backbones.wan.conditioning import acted_condition
from kinema_backbones.wan.config import WanConfig, WanSample
from kinema_backbones.wan.counting import counted_peak
from kinema_backbones.wan.memory import Residence, store_in_float8
from kinema_backbones.wan.network import Embedding, Network, feature_sites
from kinema_backbones.wan.schedule import PlannedLevel, PlannedSchedule
from kinema_backbones.wan.text import Texts
from kinema_backbones.wan.training import TrainingSide
from kinema_backbones.wan.weights import EXPERTS, Components, cast, load_components

Detach = Callable[[], None]

#: Mask channels beside the photo's latents: which frames of a group are given.
MASKS = 4


class WanBackbone(TrainingSide):
    """An image-to-video model of Wan behind kinema's protocol; see
    :class:`kinema.interfaces.Backbone`.

    Latents are ``(B, T', C, h, w)`` with T = 1 + 4 (T' - 1), float32 between steps: 16 channels at
    stride 8, or 48 at stride 16 of TI2V-5B.

    Args:
        components: its networks; they are moved, cast and frozen.
        config: options.

    Raises:
        InputError: an option cannot be used on this device.
    """  # noqa: D205

    #: Of its offer.
    name = "wan"

    def __init__(self, components: Components, config: WanConfig | None = None) -> None:
        self.config = config or WanConfig()
        self.components = components
        self.family = components.family
        self.device = torch.device(self.config.device)
        self.dtype: torch.dtype = getattr(torch, self.config.dtype)
        self.first_frame = self.family.condition == "first-frame"
        self.latent_channels: int = components.vae.config.z_dim
        self.latent_stride: int = components.vae.config.scale_factor_spatial
        self.networks = {
            name: Network(transformer, self.first_frame)
            for name, transformer in components.experts().items()
        }
        self.residence = Residence(components, self.device, self.config.memory)
        self.texts = Texts(components.texts, self.config.text_encoder, self.device)
        self._prepare()
        self.sites = self._sites()
        self._attached: Controller | None = None
        self._adapted: Adapted | None = None

    @classmethod
    def load(cls, config: WanConfig, bare: bool = False) -> WanBackbone:
        """The backbone with the weights that ``config`` names.

        Args:
            bare: leave those of the transformers out: it encodes, and cannot denoise.

        Raises:
            WeightsError: they are absent or do not fit.
        """
        with seeded(0):
            components = load_components(config, bare)
        return cls(components, config)

    # -- what can be made ---------------------------------------------------------------------

    @property
    def native(self) -> NativeForm:
        """The form that its family makes best."""
        return self.family.native

    def nearest(self, size: Size, frames: int) -> tuple[Size, int]:
        """Multiples of 16 pixels (32 for TI2V-5B), and 4 n + 1 frames from 5 on."""
        grid = self.latent_stride * self.components.transformer.config.patch_size[-1]
        width, height = (max(grid, round(side / grid) * grid) for side in size)
        return (width, height), 1 + images.FOLD * max(1, round((frames - 1) / images.FOLD))

    def latent_shape(self, size: Size, frames: int) -> tuple[int, int, int, int]:
        """(T', C, h, w)."""
        width, height = (side // self.latent_stride for side in size)
        return 1 + (frames - 1) // images.FOLD, self.latent_channels, height, width

    # -- how it samples -----------------------------------------------------------------------

    def completed(self, config: SampleConfig) -> WanSample:
        """The options with the family's published numbers where they are left open."""
        return self.family.filled(_told(config))

    def schedule(self, config: SampleConfig) -> PlannedSchedule:
        """Levels of flow matching, each for one of the experts."""
        told = self.completed(config)
        assert told.shift is not None
        schedule = flow_schedule(told.steps, told.shift, told.spacing)
        assert schedule.times is not None
        boundary = None if told.boundary is None else told.boundary * FLOW_TIMES
        return PlannedSchedule.of(schedule, boundary, schedule.times)

    def guidance(self, config: SampleConfig, schedule: Schedule, frames: int) -> Guidance:
        """One scale for each expert; none where ``guidance`` is 1 or less."""
        told = self.completed(config)
        assert told.guidance is not None
        # That of the device is not asked: to read it would be to wait for it.
        planned = self.schedule(config)
        low = told.guidance if told.guidance_low is None else told.guidance_low
        scales = [told.guidance if strong else low for strong in planned.strong[: planned.steps]]
        guided = told.guidance > 1
        return Guidance(
            [scale if guided and scale != 1.0 else None for scale in scales],
            told.motion_guidance,
        )

    def start(self, noise: Tensor, level: Level) -> Tensor:
        """The noise itself."""
        return noise

    def choices(self, embeddings: Mapping[Term, Any]) -> Mapping[str, Any]:
        """Run-time choices, under the names of the options that repeat them."""
        config = self.config
        shape = next(iter(embeddings.values())).shape
        return {
            "counted_peak": counted_peak(
                self.components.all(), config.memory, shape, self.dtype, config.vae_tiling
            ),
            "family": self.family.name,
            "attention_plan": dict(sorted(self._attention.plan.items())),
            "attention_default": self._attention.kernel,
            "memory": config.memory,
            "storage": config.storage,
            "text_encoder": config.text_encoder,
            "vae_tiling": config.vae_tiling,
            "compile": config.compile,
            "cache": config.cache,
            "merged": config.merge_lora,
        }

    # -- control ------------------------------------------------------------------------------

    def attach(self, controller: Controller) -> Detach:
        """Build a new controller for these sites, load its LoRA, make its sites active.

        Raises:
            InputError: another controller is attached, or this one does not fit the sites.
            WeightsError: its LoRA is absent or does not fit.
        """
        adapters = readied(controller, self._attached, self.sites, self.device, self.dtype)
        self.residence.release()
        features = [site for site in self.sites if site.kind == "feature"]
        undo: list[Detach] = []
        for name, network in self.networks.items():
            own = adapters_of(name, adapters)
            undo.append(attach_lora(network.transformer, own, self.config.merge_lora))
            undo.append(network.attach_sites(features))
        self._attached = controller

        def detach() -> None:
            if self._attached is not controller:
                return
            self.residence.release()
            if self._adapted is not None:
                self._adapted.undo()
                self._adapted = None
            for step in reversed(undo):
                step()
            self._attached = None

        return detach

    # -- once per video -----------------------------------------------------------------------

    def embed(self, request: Request) -> Mapping[Term, Embedding]:
        """The texts, the photo's tokens and latents, and each term's actions.

        ``unconditional`` has the negative prompt, and the same photo and motion.

        Raises:
            InputError: the form cannot be made, or a last image is given to TI2V-5B.
        """
        check_form(self, self.name, request.size, request.frames)
        for network in self.networks.values():
            network.forget()
        if self.first_frame and request.last_image is not None:
            raise InputError(f"{self.family.name} reads no last image; leave it out.")
        photo = request.image.to(self.device, torch.float32)
        last = request.last_image
        last = None if last is None else last.to(self.device, torch.float32)
        texts = self._told_texts(request)
        tokens = self._told_tokens(photo, last, request)
        latents = self._told_latents(photo, last, request)
        given = images.given_frames(request.frames, last is not None).to(self.device)
        width, height = (side // self.latent_stride for side in request.size)
        self._plan_attention(len(photo), latents.shape, request)
        features = {site.name for site in self.sites if site.kind == "feature"}
        embeddings: dict[Term, Embedding] = {}
        for term, actions in request.terms.items():
            condition = latents.transpose(1, 2)
            if not self.first_frame:
                masks = given[None, :, :, None, None].expand(len(photo), -1, -1, height, width)
                condition = acted_condition(masks, latents, actions)
            embeddings[term] = Embedding(
                condition=condition,
                text=texts["unconditional" if term == "unconditional" else "conditional"],
                tokens=tokens,
                actions={name: act for name, act in actions.items() if name in features},
                shape=self.latent_shape(request.size, request.frames),
                context=term,
            )
        return embeddings

    # -- every step ---------------------------------------------------------------------------

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Embedding]) -> Tensor:
        """``latents - sigma * velocity`` for each term, ``(G, B, T', C, h, w)``, float32."""
        sigma = level.sigma.view(-1, 1, 1, 1, 1) if level.sigma.ndim else level.sigma
        time = level.sigma * FLOW_TIMES if level.time is None else level.time
        time = time.to(self.device).expand(len(latents))
        name = self._expert(level)
        self.residence.enter(name)
        self.networks[name].at = level.at if isinstance(level, PlannedLevel) else 0.0
        noisy = latents.transpose(1, 2)
        clean = []
        for embedding in embeddings:
            with self._precision():
                found = self.networks[name].velocity(noisy, time, embedding)
            velocity = found.transpose(1, 2)
            predicted = latents - sigma * velocity
            if self.first_frame and isinstance(level, PlannedLevel) and level.ends:
                photo = embedding.condition.transpose(1, 2).to(predicted.dtype)
                predicted = torch.cat([photo, predicted[:, 1:]], dim=1)
            clean.append(predicted)
        return torch.stack(clean)

    def _expert(self, level: Level) -> str:
        if "transformer_2" not in self.networks:
            return "transformer"
        if isinstance(level, PlannedLevel):
            strong = level.strong
        elif level.sigma.is_meta:
            # Where work is only counted there is no number to tell by, and the two are alike.
            strong = True
        else:
            which = {
                sigma >= (self.family.boundary or 0.0) for sigma in level.sigma.view(-1).tolist()
            }
            if len(which) > 1:
                raise InputError(
                    f"The clips of a batch have levels of both experts of {self.family.name}: "
                    f"{level.sigma.tolist()!r}."
                )
            strong = which == {True}
        return "transformer" if strong else "transformer_2"

    # -- pixels -------------------------------------------------------------------------------

    def decode(self, latents: Tensor) -> Tensor:
        """Frames ``(B, T, 3, H, W)`` in [0, 1]."""
        self.residence.enter("vae")
        with self._precision():
            return images.decode_latents(self.components.vae, latents.transpose(1, 2))

    def encode(self, frames: Tensor) -> Tensor:
        """Normalised latents ``(B, T', C, h, w)`` of frames ``(B, T, 3, H, W)`` in [0, 1]."""
        self.residence.enter("vae")
        clip = frames.to(self.device, torch.float32).transpose(1, 2) * 2 - 1
        return images.encode_clip(self.components.vae, clip).transpose(1, 2)

    # -- inside -------------------------------------------------------------------------------

    def _sites(self) -> tuple[Site, ...]:
        def latent(kind: Any, channels: int = self.latent_channels) -> Site:
            return Site(
                name=kind,
                kind=kind,
                channels=channels,
                stride=self.latent_stride,
                temporal_stride=images.FOLD,
            )

        features = feature_sites(
            self.components.transformer, self.latent_stride, self.config.every_block
        )
        # A model that reads the photo as its first frame has no latent of it for the others.
        photo = () if self.first_frame else (latent("image-latent"), latent("image-mask", MASKS))
        return (
            *features,
            *photo,
            latent("noise"),
            latent("network-input"),
            latent("sampler-step"),
        )

    def _prepare(self) -> None:
        config = self.config
        for name, module in self.components.all().items():
            module.eval().requires_grad_(False)
            cast(module, getattr(torch, config.vae_dtype) if name == "vae" else self.dtype)
        if (config.lora_high or config.lora_low) and len(self.networks) < 2:
            raise InputError(
                f"{self.family.name} has one transformer; give its LoRA as lora, not as lora_high "
                "or lora_low."
            )
        tables = {"transformer": config.lora_high, "transformer_2": config.lora_low}
        experts = {} if self.components.bare else self.components.experts()
        for name, transformer in experts.items():
            self._merge(transformer, {**config.lora, **tables[name]})
            if config.storage == "float8":
                store_in_float8(transformer, self.dtype)
        if config.vae_tiling:
            self.components.vae.enable_tiling()
        self._attention = attention.Kernels(
            list(self.components.experts().values()), config, self.device
        )
        self.residence.start()
        for network in [] if self.components.bare else self.networks.values():
            network.set_cache(config.cache, config.cache_threshold)
            if config.compile == "on":
                network.transformer.compile_repeated_blocks(fullgraph=True, dynamic=False)

    def _merge(self, transformer: Any, files: Mapping[str, float]) -> None:
        layers = naming.underscored_modules(transformer.config.num_layers)
        tokens = self.family.tokens
        for path, weight in files.items():
            merge_file(
                transformer,
                path,
                weight,
                naming.transformer_module,
                layers,
                lambda name: not tokens and naming.of_image_tokens(name),
            )

    def _plan_attention(self, count: int, shape: Sequence[int], request: Request) -> None:
        frames, _, height, width = self.latent_shape(request.size, request.frames)
        latents = torch.empty(count, self.latent_channels, frames, height, width, device="meta")
        grid = self.networks["transformer"].grid(latents)
        self._attention.plan_for(count, grid, self.dtype)


def adapters_of(expert: str, adapters: Sequence[Adapter]) -> list[Adapter]:
    """The LoRA folders for one of the transformers.

    A folder with sub-folders named after experts holds LoRA for these alone.
    """
    found = []
    for adapter in adapters:
        own = [name for name in EXPERTS if (adapter.folder / name).is_dir()]
        if not own:
            found.append(adapter)
        elif expert in own:
            found.append(attrs.evolve(adapter, folder=adapter.folder / expert))
    return found


def _told(config: SampleConfig) -> WanSample:
    return WanSample.of(config)
