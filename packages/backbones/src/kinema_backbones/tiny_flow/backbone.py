"""The ``tiny-flow`` backbone: a diffusion transformer of a few megabytes, with flow matching."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from kinema.config import SampleConfig
from kinema.errors import InputError, WeightsError
from kinema.files import check_weights
from kinema.interfaces import (
    Actions,
    Adaptation,
    Controller,
    Drawn,
    Guidance,
    Request,
    Site,
    SiteKind,
    Term,
    check_form,
)
from kinema.levels import Level, Schedule, flow_schedule
from kinema.motion.canvas import Size
from kinema.noise import Streams, draw_flow_levels, seeded
from kinema_backbones.adaptation import (
    TRAINED,
    Adapted,
    add_lora,
    check_trainable,
    free,
    own_precision,
    plain_state,
    recompute,
)
from kinema_backbones.attaching import readied
from kinema_backbones.svd.lora import attach_lora, lora_files
from kinema_backbones.tiny.autoencoder import CHANNELS, PATCH, PatchAutoencoder
from kinema_backbones.tiny_flow.config import TinyFlowConfig, TinyFlowSample, TinyFlowTraining
from kinema_backbones.tiny_flow.network import (
    LATENT_STD,
    MASKS,
    Sizes,
    Transformer,
    clean_prediction,
    feature_sites,
)
from kinema_backbones.wan.network import SiteModule

Detach = Callable[[], None]

FORMAT = "kinema.tiny-flow/1"
RECORD = "tiny-flow.json"
WEIGHTS = "tiny-flow.safetensors"

#: With the controller beside them; the README there says how they were made.
SHIPPED = Path(__file__).parent / "weights"

#: Larger pictures and longer clips than it was trained on fall apart rather than look larger.
LARGEST, MOST_FRAMES = 128, 16

#: What it was trained on: the side in pixels.
TRAINED_SIDE = 64

_LATENT_SITES: tuple[SiteKind, ...] = ("image-latent", "noise", "network-input", "sampler-step")


@attrs.frozen(eq=False, kw_only=True)
class Embedding:
    """One guidance term of B videos: everything the network is told besides the noisy latents.

    Attributes:
        photo: its latents ``(B, 1, 16, h, w)``, float32.
        condition: mask and latents of every frame, ``(B, T, 17, h, w)``: the photo's in the first
            frame and none in the others, unless a controller says otherwise.
        actions: of the feature sites.
    """

    photo: Tensor
    condition: Tensor
    actions: Actions


class TinyFlowBackbone:
    """A diffusion transformer on the low frequencies of 8x8 patches; see ``interfaces.Backbone``.

    Made for 64x64 pixels and 8 frames, and trained from nothing by ``tools/train_tiny_flow.py``.
    Latents are ``(B, T, 16, H / 8, W / 8)``, those of ``tiny`` over 3.5, float32 between steps.

    Args:
        network: the transformer; it is moved, cast and frozen.
        config: options.
    """

    name = "tiny-flow"

    def __init__(self, network: Transformer, config: TinyFlowConfig | None = None) -> None:
        self.config = config or TinyFlowConfig()
        self.device = torch.device(self.config.device)
        self.dtype: torch.dtype = getattr(torch, self.config.dtype)
        self.network = network.eval().requires_grad_(False).to(self.device, self.dtype)
        self.coder = PatchAutoencoder().to(self.device)
        self.sites: tuple[Site, ...] = (
            *feature_sites(network.sizes),
            *(Site(name=k, kind=k, channels=CHANNELS, stride=PATCH) for k in _LATENT_SITES),
            Site(name="image-mask", kind="image-mask", channels=MASKS, stride=PATCH),
        )
        self._features = {s.name: s.module for s in self.sites if s.kind == "feature"}
        self._held: dict[str, SiteModule] = {}
        self._attached: Controller | None = None
        self._adapted: Adapted | None = None

    @classmethod
    def of(cls, config: TinyFlowConfig) -> TinyFlowBackbone:
        """The backbone with the weights that ``config`` names.

        Raises:
            WeightsError: they are absent or do not fit.
        """
        if config.untrained:
            with seeded(config.seed):
                return cls(Transformer(Sizes(width=config.width, depth=config.depth)), config)
        return cls(load_network(Path(config.weights) if config.weights else SHIPPED), config)

    # -- what can be made ---------------------------------------------------------------------

    def nearest(self, size: Size, frames: int) -> tuple[Size, int]:
        """Multiples of 8 pixels from 16 to 128, and 2 to 16 frames.

        What is larger comes nearest with 64 pixels on its long side, as it was trained.
        """
        scale = 1.0 if max(size) <= LARGEST else TRAINED_SIDE / max(size)
        width, height = (max(int(side * scale / PATCH + 0.5), 2) * PATCH for side in size)
        return (width, height), min(max(2, frames), MOST_FRAMES)

    def latent_shape(self, size: Size, frames: int) -> tuple[int, int, int, int]:
        """(T, 16, h, w)."""
        return frames, CHANNELS, size[1] // PATCH, size[0] // PATCH

    def schedule(self, config: SampleConfig) -> Schedule:
        """Levels of flow matching."""
        told = TinyFlowSample.of(config)
        return flow_schedule(told.steps, told.shift)

    def guidance(self, config: SampleConfig, schedule: Schedule, frames: int) -> Guidance:
        """The motion's alone: it always saw the photo in training."""
        return Guidance([None] * schedule.steps, TinyFlowSample.of(config).motion_guidance)

    def start(self, noise: Tensor, level: Level) -> Tensor:
        """The noise itself."""
        return noise

    def choices(self, embeddings: Mapping[Term, Embedding]) -> Mapping[str, Any]:
        """Nothing is chosen at run time."""
        return {}

    # -- control ------------------------------------------------------------------------------

    def attach(self, controller: Controller) -> Detach:
        """Build a new controller for these sites, load its LoRA, make its sites active.

        Raises:
            InputError: another controller is attached, or this one does not fit the sites.
            WeightsError: its LoRA is absent or does not fit.
        """
        adapters = readied(controller, self._attached, self.sites, self.device, self.dtype)
        off_lora = attach_lora(self.network, adapters)
        for name, module in self._features.items():
            self._held[name] = SiteModule(self.network.get_submodule(module))
            self.network.set_submodule(module, self._held[name])
        self._attached = controller

        def detach() -> None:
            if self._attached is not controller:
                return
            if self._adapted is not None:
                self._adapted.undo()
                self._adapted = None
            for name, module in self._features.items():
                self.network.set_submodule(module, self._held.pop(name).inner)
            off_lora()
            self._attached = None

        return detach

    # -- once per video -----------------------------------------------------------------------

    def embed(self, request: Request) -> Mapping[Term, Embedding]:
        """The photo's latent and mask, frame by frame, and each term's actions.

        Raises:
            FormError: the form cannot be made.
        """
        check_form(self, self.name, request.size, request.frames)
        photo = self.encode(request.image.to(self.device)[:, None])
        latents = photo.new_zeros(len(photo), request.frames, *photo.shape[2:])
        latents[:, 0] = photo[:, 0]
        masks = torch.zeros_like(latents[:, :, :MASKS])
        masks[:, 0] = 1.0
        return {
            term: Embedding(
                photo=photo,
                condition=torch.cat(
                    [_acted("image-mask", masks, acts), _acted("image-latent", latents, acts)], 2
                ).to(self.dtype),
                actions={name: act for name, act in acts.items() if name in self._features},
            )
            for term, acts in request.terms.items()
        }

    # -- every step ---------------------------------------------------------------------------

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Embedding]) -> Tensor:
        """The clean prediction of each term, ``(G, B, T, 16, h, w)``, float32."""
        frames, height, width = latents.shape[1], *latents.shape[-2:]
        mixed = self._adapted is not None and self._adapted.adaptation.method == "full"
        clean = []
        for embedding in embeddings:
            for name, site in self._held.items():
                site.act = embedding.actions.get(name)
                site.grid = (frames, height, width)
            try:
                with own_precision(self.device, self.dtype, mixed):
                    found = clean_prediction(
                        self.network, latents, level, embedding.photo, embedding.condition
                    )
            finally:
                for site in self._held.values():
                    site.act = None
            clean.append(found)
        return torch.stack(clean)

    # -- pixels -------------------------------------------------------------------------------

    def decode(self, latents: Tensor) -> Tensor:
        """Frames ``(B, T, 3, H, W)`` in [0, 1]."""
        (pixels,) = self.coder.decode(latents.float().flatten(0, 1) * LATENT_STD)
        frames: Tensor = pixels.mul(0.5).add(0.5).clamp(0, 1).unflatten(0, latents.shape[:2])
        return frames

    def encode(self, frames: Tensor) -> Tensor:
        """Latents ``(B, T, 16, h, w)`` of frames ``(B, T, 3, H, W)`` in [0, 1]."""
        codes = self.coder.encode(frames.float().flatten(0, 1) * 2 - 1).latent_dist.mode()
        latents: Tensor = (codes / LATENT_STD).unflatten(0, frames.shape[:2])
        return latents

    # -- training -----------------------------------------------------------------------------

    def encodings(
        self, image: Tensor, prompts: Sequence[str] = (), frames: int = 1
    ) -> Mapping[str, Tensor]:
        """Nothing: the photo's latent is quickly made."""
        return {}

    def draw(
        self,
        config: TinyFlowTraining,
        streams: Sequence[Streams],
        motion_length: Tensor,
        at: float | None = None,
    ) -> Drawn:
        """Levels of flow matching."""
        level, weight = draw_flow_levels(config, streams, at)
        return Drawn(level=level, weight=weight)

    def adapt(self, adaptation: Adaptation) -> nn.Module:
        """Make the network trainable until the controller is detached; without one, for good.

        What is trained, the controller too, is float32 whatever the ``dtype``.

        Raises:
            InputError: it is adapted already, or the controller brings LoRA of its own.
        """
        if self._adapted is not None:
            raise InputError(
                "The backbone 'tiny-flow' is adapted already: detach its controller before "
                "adapting it anew."
            )
        check_trainable(self.name, self.config, {}, self._attached)
        undo: list[Detach] = []
        attached: object = self._attached
        if isinstance(attached, nn.Module):
            attached.float()
        if adaptation.method == "lora":
            undo.append(add_lora(self.network, adaptation))
        elif adaptation.method == "full":
            undo.append(free(self.network))
        if adaptation.checkpointing:
            undo.append(recompute(self.network.parts()))

        def back() -> None:
            for step in reversed(undo):
                step()

        self._adapted = Adapted(adaptation, back)
        return self.network

    def adapter_files(self) -> Mapping[str, bytes]:
        """The LoRA that is trained as a peft folder's files; empty without LoRA."""
        if self._adapted is None or self._adapted.adaptation.method != "lora":
            return {}
        return lora_files(self.network, TRAINED)

    def save_weights(self, folder: Path) -> None:
        """Write the network into an existing folder, which ``weights=folder`` then loads."""
        write_weights(folder, self.network.sizes, plain_state(self.network))


def _acted(name: str, told: Tensor, actions: Actions) -> Tensor:
    return actions[name](told) if name in actions else told


def write_weights(folder: Path, sizes: Sizes, state: Mapping[str, Tensor]) -> None:
    """Write a network's record and weights into an existing folder."""
    record = {"format": FORMAT, **attrs.asdict(sizes)}
    (folder / RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")
    safetensors.torch.save_file(dict(state), folder / WEIGHTS)


def load_network(folder: Path) -> Transformer:
    """The network of a folder that ``save_weights`` wrote.

    Raises:
        WeightsError: it is absent, or its files do not fit each other.
    """
    check_weights(folder / WEIGHTS)
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise KeyError("format")
        config = TinyFlowConfig(untrained=True, width=record["width"], depth=record["depth"])
        network = Transformer(Sizes(width=config.width, depth=config.depth))
        network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"The weights of the backbone 'tiny-flow' in {str(folder)!r} cannot be read: "
            f"{type(error).__name__}: {error}. A folder of them holds {RECORD} and {WEIGHTS}; the "
            "ones that come along are taken if no folder is named."
        ) from None
    return network


def weight_files(config: TinyFlowConfig) -> list[Path]:
    """The files that the backbone reads when it is built with ``config``."""
    if config.untrained:
        return []
    folder = Path(config.weights) if config.weights else SHIPPED
    return [folder / RECORD, folder / WEIGHTS]
