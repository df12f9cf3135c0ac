"""The ``svd`` backbone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from kinema.config import SampleConfig
from kinema.interfaces import (
    Actions,
    Controller,
    Guidance,
    Request,
    Site,
    SiteKind,
    Term,
    check_form,
    frame_guidance,
)
from kinema.levels import Level, Schedule, edm_schedule
from kinema.motion.canvas import Size
from kinema.noise import seeded, v_preconditioning
from kinema_backbones.adaptation import Adapted
from kinema_backbones.attaching import readied
from kinema_backbones.lora_files import merge_file
from kinema_backbones.svd import attention, conditioning, images
from kinema_backbones.svd.acceleration import Acceleration
from kinema_backbones.svd.config import SvdConfig, SvdSample
from kinema_backbones.svd.images import Encoding
from kinema_backbones.svd.lora import attach_lora
from kinema_backbones.svd.memory import Residence
from kinema_backbones.svd.network import Batch, Embedding, Network, feature_sites
from kinema_backbones.svd.sizes import Components
from kinema_backbones.svd.training import TrainingSide
from kinema_backbones.svd.weights import load_components

Detach = Callable[[], None]

_LATENT_SITES: tuple[SiteKind, ...] = ("image-latent", "noise", "network-input", "sampler-step")


class SvdBackbone(TrainingSide):
    """Stable Video Diffusion behind kinema's protocol; see :class:`kinema.interfaces.Backbone`.

    Latents are ``(B, T, 4, H / 8, W / 8)``, float32 between steps whatever the network's dtype.

    Args:
        components: U-Net, VAE and image encoder; they are moved, cast and frozen.
        config: options.

    Raises:
        InputError: an option cannot be used on this device.
    """

    #: Of its offer.
    name = "svd"

    #: Its sampling options.
    sample: type[SvdSample] = SvdSample

    def __init__(self, components: Components, config: SvdConfig | None = None) -> None:
        self.config = config or SvdConfig()
        self.device = torch.device(self.config.device)
        self.dtype: torch.dtype = getattr(torch, self.config.dtype)
        self.components = components
        self.residence = Residence(components, self.device, self.config.memory)
        self._freeze()
        self._set_resnet_eps(self.config.resnet_eps)
        for path, weight in self.config.lora.items():
            merge_file(components.unet, path, weight)
        self.latent_channels: int = components.unet.config.out_channels
        self.latent_stride = 2 ** (len(components.vae.config.block_out_channels) - 1)
        levels = len(components.unet.config.block_out_channels)
        self.grid = self.latent_stride * 2 ** (levels - 1)
        self.sites = (
            *feature_sites(components.unet, self.latent_stride),
            *(
                Site(name=name, kind=name, channels=self.latent_channels, stride=self.latent_stride)
                for name in _LATENT_SITES
            ),
        )
        self.network = Network(components.unet, self.config.feature_cache)
        self.acceleration = Acceleration(self.network, components.vae, self.config)
        self._set_attention()
        if self.config.fold_cross_attention:
            self.network.fold_cross_attention()
        self._attached: Controller | None = None
        self._adapted: Adapted | None = None

    @classmethod
    def load(cls, config: SvdConfig) -> SvdBackbone:
        """The backbone with the weights that ``config`` names.

        Raises:
            WeightsError: they are absent or do not fit.
        """
        with seeded(0):
            components = load_components(config.weights, getattr(torch, config.dtype))
        return cls(components, config)

    # -- what can be made ---------------------------------------------------------------------

    def nearest(self, size: Size, frames: int) -> tuple[Size, int]:
        """Multiples of the grid (64 pixels for SVD) and at least 2 frames."""
        width, height = (max(self.grid, round(side / self.grid) * self.grid) for side in size)
        return (width, height), max(2, frames)

    def latent_shape(self, size: Size, frames: int) -> tuple[int, int, int, int]:
        """(T, 4, h, w)."""
        return (
            frames,
            self.latent_channels,
            size[1] // self.latent_stride,
            size[0] // self.latent_stride,
        )

    def schedule(self, config: SampleConfig) -> Schedule:
        """EDM noise levels (Karras et al. 2022, equation 5)."""
        told = self.sample.of(config)
        return Schedule.exploding(
            edm_schedule(told.steps, told.sigma_max, told.sigma_min, told.rho)
        )

    def guidance(self, config: SampleConfig, schedule: Schedule, frames: int) -> Guidance:
        """A scale that grows over the frames, in an interval of the steps."""
        told = self.sample.of(config)
        scale: Tensor | None = None
        if told.guidance_min != 1.0 or told.guidance_max != 1.0:
            scale = frame_guidance(frames, told.guidance_min, told.guidance_max).to(self.device)
        start, stop = told.guidance_start, told.guidance_stop
        return Guidance.over(scale, schedule.steps, start, stop, told.motion_guidance)

    def start(self, noise: Tensor, level: Level) -> Tensor:
        """Unit noise times ``sqrt(1 + sigma^2)``, as published."""
        return noise * (1.0 + level.sigma**2).sqrt()

    def choices(self, embeddings: Mapping[Term, Embedding]) -> Mapping[str, Any]:
        """Run-time choices, under the names of the options that repeat them."""
        compiled = any(embedding.compiled for embedding in embeddings.values())
        return {
            "decode_chunk": self.config.decode_chunk,
            "attention_plan": dict(sorted(self._processor.plan.items())),
            "attention_default": self._processor.kernel,
            "memory": self.config.memory,
            "compile": "on" if compiled else "off",
            "folded": self.config.fold_cross_attention,
            "merged": self.config.merge_lora,
            "channels_last": self.acceleration.channels_last,
            "feature_cache": self.config.feature_cache,
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
        off_lora = attach_lora(self.components.unet, adapters, self.config.merge_lora)
        off_sites = self.network.attach_sites([s for s in self.sites if s.kind == "feature"])
        self._attached = controller

        def detach() -> None:
            if self._attached is not controller:
                return
            self.residence.release()
            if self._adapted is not None:
                self._adapted.undo()
                self._adapted = None
            off_sites()
            off_lora()
            self._attached = None

        return detach

    # -- once per video -----------------------------------------------------------------------

    def embed(self, request: Request) -> Mapping[Term, Embedding]:
        """The photo's embedding and latent, the time ids, and each term's actions.

        ``unconditional`` has a zero image embedding and a zero image latent, and the same motion
        (MotionPro).
        """
        check_form(self, self.name, request.size, request.frames)
        told = conditioning.tell(request, self.config)
        with self._precision():
            encoding = request.image
            if not isinstance(encoding, Encoding):
                generators = request.generators("photo")
                encoding = self.encode_photo(
                    request.image, generators, told.noise_aug, request.cached
                )
            encoding = conditioning.drop(encoding, request.dropped)
            time_ids = told.time_ids(len(encoding.image_embeds)).to(self.device)
            width, height = (side // self.latent_stride for side in request.size)
            count, frames = len(time_ids), request.frames
            self._plan_attention(count * len(request.terms), frames, width, height)
            compiled = self.acceleration.compiles((count, frames, height, width))
            batches: dict[tuple[int, ...], Batch] = {}
            return {
                term: attrs.evolve(
                    self.embedding(
                        *conditioning.of_term(encoding, term), time_ids, actions, frames
                    ),
                    compiled=compiled,
                    batches=batches,
                )
                for term, actions in request.terms.items()
            }

    def encode_photo(
        self,
        image: Tensor,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        noise_aug: float | Tensor | None = None,
        cached: Mapping[str, Tensor] | None = None,
    ) -> Encoding:
        """Image embedding and latent of photos ``(B, 3, H, W)`` in [0, 1].

        Args:
            noise_aug: strength of the noise on all photos or on each ``(B,)``; None takes the
                config's.
            cached: what :meth:`encodings` made of them earlier.
        """
        embeds = (cached or {}).get("image_embeds")
        if embeds is None:
            embeds = self.encodings(image)["image_embeds"]
        self.residence.enter("vae")
        strength = self.config.noise_aug if noise_aug is None else noise_aug
        noisy = images.add_noise(image.float() * 2 - 1, strength, generator)
        latents = images.encode_latents(self.components.vae, noisy)
        return Encoding(embeds.to(self.device, self.dtype), latents.to(self.dtype))

    def embedding(
        self,
        image_embeds: Tensor,
        image_latents: Tensor,
        added_time_ids: Tensor,
        actions: Actions | None = None,
        frames: int = 1,
    ) -> Embedding:
        """One guidance term from its tensors: ``(B, 1, D)``, ``(B, 4, h, w)``, ``(B, 3)``.

        Args:
            added_time_ids: fps, motion bucket and noise strength.
            actions: a controller's, for the sites of this backbone.
            frames: T, for an action at the image latent.
        """
        acts = dict(actions or {})
        latents = image_latents[:, None]
        frames_of = acts.pop("image-latent", None)
        if frames_of is not None:
            # Without an action all frames have the same, and it is kept once.
            latents = frames_of(latents.expand(-1, frames, -1, -1, -1))
        features = {s.name for s in self.sites if s.kind == "feature"}
        embeds = image_embeds.to(self.device, self.dtype)
        self.residence.enter("unet")
        return Embedding(
            image_embeds=embeds,
            image_latents=latents.to(self.device, self.dtype),
            added_time_ids=added_time_ids.to(self.device),
            actions={name: act for name, act in acts.items() if name in features},
            folded=self.network.fold(embeds),
        )

    # -- every step ---------------------------------------------------------------------------

    def raw(self, inputs: Tensor, c_noise: Tensor, embeddings: Sequence[Embedding]) -> Tensor:
        """The network's raw output ``(G, B, T, 4, h, w)`` for each embedding.

        Args:
            inputs: scaled noisy latents ``(B, T, 4, h, w)``; the image latent is not among them.
            c_noise: ln(sigma) / 4, a 0-d tensor or ``(B,)``.
        """
        self.residence.enter("unet")
        with self._precision():
            if not self._one_batch:
                alone = [self._called(inputs, c_noise, (embedding,)) for embedding in embeddings]
                return torch.stack(alone)
            together = inputs.expand(len(embeddings), *inputs.shape).flatten(0, 1)
            if c_noise.ndim:
                c_noise = c_noise.repeat(len(embeddings))
            output = self._called(together, c_noise, tuple(embeddings))
        return output.reshape(len(embeddings), *inputs.shape)

    def denoise(
        self, latents: Tensor, level: Level | Tensor, embeddings: Sequence[Embedding]
    ) -> Tensor:
        """The denoised prediction of each term, ``(G, B, T, 4, h, w)``, float32.

        Args:
            level: alpha is 1; a tensor, 0-d or ``(B,)``, is its sigma.
        """
        sigma = level.sigma if isinstance(level, Level) else level
        scalings = v_preconditioning(sigma.view(-1, 1, 1, 1, 1) if sigma.ndim else sigma)
        c_noise = scalings.c_noise.flatten() if sigma.ndim else scalings.c_noise
        output = self.raw(latents * scalings.c_in, c_noise, embeddings).float()
        return scalings.c_skip * latents + scalings.c_out * output

    # -- pixels -------------------------------------------------------------------------------

    def decode(self, latents: Tensor) -> Tensor:
        """Frames ``(B, T, 3, H, W)`` in [0, 1], decoded ``decode_chunk`` frames at a time."""
        self.residence.enter("vae")
        _, frames, _, height, width = latents.shape
        decoder = self.acceleration.decoder((frames, height, width))
        return images.decode_latents(
            self.components.vae, latents, self.config.decode_chunk, decoder
        )

    def encode(self, frames: Tensor) -> Tensor:
        """Scaled latents ``(B, T, 4, h, w)`` of frames ``(B, T, 3, H, W)`` in [0, 1].

        They are the mode of the VAE's posterior. Published training samples it anew at every step,
        but latents that are prepared once would keep one sample's noise for ever, and the same
        frames must give the same clip; the posterior is narrow beside any noise of a training.
        """
        self.residence.enter("vae")
        flat = images.encode_latents(self.components.vae, frames.flatten(0, 1).float() * 2 - 1)
        scaled: Tensor = flat.float() * self.components.vae.config.scaling_factor
        return scaled.reshape(*frames.shape[:2], *scaled.shape[1:])

    @torch.no_grad()
    def warm_up(self, request: Request) -> None:
        """Compile for videos like these, and keep the artifacts if the config names a file."""
        shape = self.latent_shape(request.size, request.frames)
        videos = len(request.image)
        self.acceleration.warm(
            (videos, request.frames, shape[2], shape[3]), lambda: self._rehearse(request)
        )

    # -- inside -------------------------------------------------------------------------------

    @property
    def _one_batch(self) -> bool:
        return self.config.batch_terms and self.config.memory != "minimal"

    def _called(self, x: Tensor, c_noise: Tensor, embeddings: tuple[Embedding, ...]) -> Tensor:
        batch = self._combined(embeddings)
        forward = self.acceleration.forward(embeddings[0].compiled)
        return self.network(x, c_noise, batch, forward)

    def _combined(self, embeddings: tuple[Embedding, ...]) -> Batch:
        known = embeddings[0].batches
        key = tuple(id(embedding) for embedding in embeddings)
        # An id may have been that of another object once.
        if key not in known or not known[key].joins(embeddings):
            known[key] = self.network.combine(embeddings)
        return known[key]

    def _rehearse(self, request: Request) -> None:
        embeddings = self.embed(request)
        shape = self.latent_shape(request.size, request.frames)
        latents = torch.zeros(len(request.image), *shape, device=self.device)
        level = Level.exploding(torch.ones((), device=self.device))
        self.decode(self.denoise(latents, level, list(embeddings.values()))[0])

    def _freeze(self) -> None:
        vae_dtype = torch.float32 if self.dtype == torch.float16 else self.dtype
        for name, module in self.components.all().items():
            module.eval().requires_grad_(False)
            # The method of the base class: that of diffusers warns about parts that it lacks.
            nn.Module.to(module, dtype=vae_dtype if name == "vae" else self.dtype)
        self.residence.start()

    def _set_resnet_eps(self, eps: float) -> None:
        for path, module in self.components.unet.named_modules():
            if isinstance(module, nn.GroupNorm) and "res_block.norm" in path:
                module.eps = eps

    def _set_attention(self) -> None:
        chosen = self.config.attention
        if chosen != "auto":
            attention.check_kernel(chosen, self.device)
        kernel = "sdpa" if chosen == "auto" else chosen
        self._processor = attention.KernelAttention(kernel, self.config.attention_plan)
        self.components.unet.set_attn_processor(self._processor)

    def _plan_attention(self, videos: int, frames: int, width: int, height: int) -> None:
        kernels = attention.installed_kernels(self.device)
        if self.config.attention == "auto" and len(kernels) > 1:
            together = videos if self._one_batch else 1
            unet = self.components.unet
            shapes = attention.attention_shapes(unet, together, frames, width, height)
            self._processor.measure(shapes, self.device, self.dtype, kernels)
