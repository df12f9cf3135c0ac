"""The ``svd`` backbone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.config import SampleConfig
from kinema.errors import InputError
from kinema.interfaces import Actions, Controller, Request, Site, SiteKind, Term
from kinema.motion.canvas import Size
from kinema.noise import edm_schedule, v_preconditioning
from kinema_backbones.svd import attention, conditioning, images
from kinema_backbones.svd.acceleration import Acceleration
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.images import Encoding
from kinema_backbones.svd.lora import attach_lora
from kinema_backbones.svd.memory import Residence
from kinema_backbones.svd.network import Batch, Embedding, Network, feature_sites
from kinema_backbones.svd.sizes import Components, NetworkSizes, build_components
from kinema_backbones.svd.training import Adapted, TrainingSide
from kinema_backbones.svd.weights import load_components, load_unet

Detach = Callable[[], None]

_LATENT_SITES: tuple[SiteKind, ...] = ("image-latent", "noise", "sampler-step")


class SvdBackbone(TrainingSide):
    """Stable Video Diffusion behind kinema's protocol; see :class:`kinema.interfaces.Backbone`.

    Latents are ``(B, T, 4, H / 8, W / 8)``, float32 between steps whatever the network's dtype.

    Args:
        components: U-Net, VAE and image encoder; they are moved, cast and frozen.
        config: options.

    Raises:
        InputError: an option cannot be used on this device.
    """

    def __init__(self, components: Components, config: SvdConfig | None = None) -> None:
        self.config = config or SvdConfig()
        self.device = torch.device(self.config.device)
        self.dtype: torch.dtype = getattr(torch, self.config.dtype)
        self.components = components
        self.residence = Residence(components, self.device, self.config.memory)
        self._freeze()
        self._set_resnet_eps(self.config.resnet_eps)
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
        self._batches: dict[tuple[int, ...], tuple[tuple[Embedding, ...], Batch]] = {}

    @classmethod
    def load(cls, config: SvdConfig) -> SvdBackbone:
        """The backbone with the weights that ``config`` names.

        Raises:
            WeightsError: they are absent or do not fit.
        """
        return cls(load_components(config.weights, getattr(torch, config.dtype)), config)

    # -- what can be made ---------------------------------------------------------------------

    def check(self, size: Size, frames: int) -> None:
        """Refuse sizes off the grid (64 pixels for SVD) and fewer than 2 frames.

        Raises:
            InputError: naming the nearest valid sizes.
        """
        if frames < 2:
            raise InputError(f"The backbone 'svd' makes at least 2 frames, got {frames!r}.")
        if all(side > 0 and side % self.grid == 0 for side in size):
            return
        options = [sorted({max(s // self.grid, 1), -(-s // self.grid)}) for s in size]
        near = [f"{w * self.grid}x{h * self.grid}" for w in options[0] for h in options[1]]
        raise InputError(
            f"The backbone 'svd' cannot make {size[0]}x{size[1]} pixels: both sides must be "
            f"multiples of {self.grid}. The nearest sizes are {', '.join(near)}."
        )

    def latent_shape(self, size: Size, frames: int) -> tuple[int, int, int, int]:
        """(T, 4, h, w)."""
        return (
            frames,
            self.latent_channels,
            size[1] // self.latent_stride,
            size[0] // self.latent_stride,
        )

    def schedule(self, config: SampleConfig) -> Tensor:
        """EDM noise levels (Karras et al. 2022, equation 5), on the device."""
        sigmas = edm_schedule(config.steps, config.sigma_max, config.sigma_min, config.rho)
        return sigmas.to(self.device)

    def choices(self) -> Mapping[str, Any]:
        """Run-time choices, under the names of the options that repeat them."""
        return {
            "decode_chunk": self.config.decode_chunk,
            "attention_plan": dict(sorted(self._processor.plan.items())),
            "attention_default": self._processor.kernel,
            "memory": self.config.memory,
            "compile": self.acceleration.used,
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
        if self._attached is not None:
            raise InputError("A controller is attached already; detach it first.")
        prepare = getattr(controller, "prepare", None)
        if prepare is not None:
            prepare(self.sites)
        if isinstance(controller, nn.Module):
            controller.to(self.device, self.dtype)
        self.residence.release()
        adapters = getattr(controller, "adapters", ())
        off_lora = attach_lora(self.components.unet, adapters, self.config.merge_lora)
        off_sites = self.network.attach_sites([s for s in self.sites if s.kind == "feature"])
        self._attached = controller
        self._batches.clear()

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
            self._batches.clear()

        return detach

    # -- once per video -----------------------------------------------------------------------

    def embed(self, request: Request) -> Mapping[Term, Embedding]:
        """The photo's embedding and latent, the time ids, and each term's actions.

        ``unconditional`` has a zero image embedding and a zero image latent, and the same motion
        (MotionPro).
        """
        self.check(request.size, request.frames)
        self._batches.clear()
        told = conditioning.tell(request, self.config)
        with self._precision():
            encoding = request.image
            if not isinstance(encoding, Encoding):
                encoding = self.encode_photo(
                    request.image, request.generator, told.noise_aug, request.cached
                )
            encoding = conditioning.drop(encoding, request.dropped)
            time_ids = told.time_ids(len(encoding.image_embeds)).to(self.device)
            width, height = (side // self.latent_stride for side in request.size)
            count = len(time_ids)
            self._plan_attention(count * len(request.terms), request.frames, width, height)
            self.acceleration.begin((count, request.frames, height, width))
            return {
                term: self.embedding(*conditioning.of_term(encoding, term), time_ids, actions)
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
    ) -> Embedding:
        """One guidance term from its tensors: ``(B, 1, D)``, ``(B, 4, h, w)``, ``(B, 3)``.

        Args:
            added_time_ids: fps, motion bucket and noise strength.
            actions: a controller's, for the sites of this backbone.
        """
        acts = dict(actions or {})
        latents = image_latents[:, None]
        frames_of = acts.pop("image-latent", None)
        if frames_of is not None:
            latents = frames_of(latents)
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
                alone = [self.network(inputs, c_noise, self._combined((e,))) for e in embeddings]
                return torch.stack(alone)
            together = inputs.expand(len(embeddings), *inputs.shape).flatten(0, 1)
            if c_noise.ndim:
                c_noise = c_noise.repeat(len(embeddings))
            output = self.network(together, c_noise, self._combined(tuple(embeddings)))
        return output.reshape(len(embeddings), *inputs.shape)

    def denoise(self, latents: Tensor, sigma: Tensor, embeddings: Sequence[Embedding]) -> Tensor:
        """The denoised prediction of each term, ``(G, B, T, 4, h, w)``, float32.

        Args:
            sigma: a 0-d tensor or ``(B,)``.
        """
        scalings = v_preconditioning(sigma.view(-1, 1, 1, 1, 1) if sigma.ndim else sigma)
        c_noise = scalings.c_noise.flatten() if sigma.ndim else scalings.c_noise
        output = self.raw(latents * scalings.c_in, c_noise, embeddings).float()
        return scalings.c_skip * latents + scalings.c_out * output

    # -- pixels -------------------------------------------------------------------------------

    def decode(self, latents: Tensor) -> Tensor:
        """Frames ``(B, T, 3, H, W)`` in [0, 1], decoded ``decode_chunk`` frames at a time."""
        self.residence.enter("vae")
        return images.decode_latents(
            self.components.vae, latents, self.config.decode_chunk, self.acceleration.decoder
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
    def warm_up(self, size: Size, frames: int, videos: int = 1) -> None:
        """Compile for this shape now, and keep the artifacts if the config names a file.

        Raises:
            InputError: the size cannot be made.
        """
        self.check(size, frames)
        shape = self.latent_shape(size, frames)
        self.acceleration.warm(
            (videos, frames, shape[2], shape[3]), lambda: self._rehearse(size, frames, videos)
        )

    # -- inside -------------------------------------------------------------------------------

    @property
    def _one_batch(self) -> bool:
        return self.config.batch_terms and self.config.memory != "minimal"

    def _combined(self, embeddings: tuple[Embedding, ...]) -> Batch:
        # Held with the embeddings themselves, so that an id is never one of another object.
        key = tuple(id(embedding) for embedding in embeddings)
        if key not in self._batches:
            self._batches[key] = (embeddings, self.network.combine(embeddings))
        return self._batches[key][1]

    def _rehearse(self, size: Size, frames: int, videos: int) -> None:
        image = torch.zeros(videos, 3, size[1], size[0], device=self.device)
        terms: dict[Term, Actions] = {"conditional": {}, "unconditional": {}}
        if self._attached is not None and isinstance(self._attached, nn.Module):
            from kinema.signals import MotionSignal

            channels = getattr(getattr(self._attached, "config", None), "channels", 3)
            maps = torch.zeros(videos, frames, channels, size[1], size[0])
            names = tuple(f"channel-{index}" for index in range(channels))
            acts = self._attached.actions(MotionSignal(maps=maps, channels=names), self.sites)
            terms = {"conditional": acts, "unconditional": acts}
        generator = torch.Generator().manual_seed(0)
        embeddings = self.embed(
            Request(
                image=image, size=size, frames=frames, fps=8.0, terms=terms, generator=generator
            )
        )
        latents = torch.zeros(videos, *self.latent_shape(size, frames), device=self.device)
        sigma = torch.ones((), device=self.device)
        self.decode(self.denoise(latents, sigma, list(embeddings.values()))[0])

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


def build_from_sizes(
    sizes: NetworkSizes,
    config: SvdConfig | None = None,
    seed: int = 0,
    unet: str | Path | None = None,
) -> SvdBackbone:
    """A backbone of these sizes with random weights, for tests, parity checks and benchmarks.

    Args:
        unet: diffusers folder whose U-Net weights are taken instead of random ones.

    Raises:
        WeightsError: that folder is absent, or its weights have other sizes.
    """
    components = build_components(sizes, seed)
    if unet is not None:
        load_unet(components.unet, Path(unet))
    return SvdBackbone(components, config)
