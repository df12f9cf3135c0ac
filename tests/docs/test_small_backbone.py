"""The backbone of the page "Write a backbone", and its tests."""

from __future__ import annotations

# --8<-- [start:imports]
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import kinema
from kinema import InputError, MotionSignal, SampleConfig, hookimpl, offers
from kinema.interfaces import Controller, Detach, Guidance, Request, Site, Term, check_form
from kinema.levels import Level, Schedule
from kinema.plugins import Plugins
from kinema.testing import BackboneContract

# --8<-- [end:imports]


# --8<-- [start:class]
class Smear:
    """Pulls the photo along a displacement. Its latents are pixels (B, T, 3, H, W)."""

    sites: tuple[Site, ...] = ()

    def __init__(self, config: Any = None) -> None:
        self.device = torch.device("cpu")
        self.dtype = torch.float32

    def nearest(self, size: tuple[int, int], frames: int) -> tuple[tuple[int, int], int]:
        """Any size, and at least 2 frames."""
        return size, max(2, frames)

    # --8<-- [end:class]

    # --8<-- [start:embed]
    def embed(self, request: Request) -> Mapping[Term, Tensor]:
        """The moved photo, for every guidance term the same."""
        check_form(self, "smear", request.size, request.frames)
        photo = request.image.to(self.device)
        if request.signal is None:
            raise InputError("smear reads the condition gaussian-trajectory; it got no signal.")
        moved = pull(photo, request.signal.dense())
        return dict.fromkeys(request.terms, moved[None])

    # --8<-- [end:embed]

    # --8<-- [start:sampling]
    def latent_shape(self, size: tuple[int, int], frames: int) -> tuple[int, int, int, int]:
        """(T, 3, H, W)."""
        return frames, 3, size[1], size[0]

    def schedule(self, config: SampleConfig) -> Schedule:
        """One step, from noise level 1 to 0."""
        return Schedule.exploding(torch.tensor([1.0, 0.0]))

    def guidance(self, config: SampleConfig, schedule: Schedule, frames: int) -> Guidance:
        """None, since all terms are the same."""
        return Guidance.none(schedule.steps)

    def start(self, noise: Tensor, level: Level) -> Tensor:
        """The latents at the first level: noise, of which nothing remains here."""
        return noise

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Any]) -> Tensor:
        """The prediction of each guidance term, (G, B, T, 3, H, W)."""
        return torch.stack([item.expand_as(latents) for item in embeddings])

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels in [0, 1]."""
        return latents.clamp(0, 1)

    def encode(self, frames: Tensor) -> Tensor:
        """Latents are pixels."""
        return frames

    # --8<-- [end:sampling]

    # --8<-- [start:attach]
    def attach(self, controller: Controller) -> Detach:
        """It has no sites, so there is nothing to make active."""
        return lambda: None

    def choices(self, embeddings: Mapping[Term, Any]) -> Mapping[str, Any]:
        """Nothing is decided at run time."""
        return {}

    # --8<-- [end:attach]


# --8<-- [start:pull]
def pull(photo: Tensor, displacement: Tensor) -> Tensor:
    """The photo (1, 3, H, W), each pixel taken from where (T, 2, H, W) says it came from."""
    frames, _, height, width = displacement.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    source = torch.stack([x, y], dim=-1) - displacement.permute(0, 2, 3, 1)
    grid = (source + 0.5) * 2 / torch.tensor([width, height]) - 1
    photos = photo.expand(frames, -1, -1, -1)
    return F.grid_sample(photos, grid, padding_mode="border", align_corners=False)


# --8<-- [end:pull]


# --8<-- [start:offer]
class Plugin:
    """In a package of yours this is the module plugin.py."""

    @hookimpl
    def kinema_backbones(self) -> Iterable[offers.BackboneOffer]:
        """Offer ``smear``."""
        yield offers.BackboneOffer(
            name="smear",
            summary="Pulls the photo along a blurred displacement.",
            factory=Smear,
            conditions=("gaussian-trajectory",),
        )


# --8<-- [end:offer]


# --8<-- [start:contract]
class TestSmear(BackboneContract):
    """Every promise of a backbone."""

    def make(self) -> Smear:
        """The backbone under test."""
        return Smear()

    def signal(self) -> MotionSignal:
        """What gaussian-trajectory would give."""
        maps = torch.zeros(self.frames, 2, self.size[1], self.size[0])
        maps[:, 0] = torch.arange(float(self.frames))[:, None, None]
        return MotionSignal(maps=maps, channels=("dx", "dy"))


# --8<-- [end:contract]


@pytest.mark.all_packages
def test_smear_moves_what_is_dragged() -> None:
    plugins = Plugins()
    plugins.load_entry_points()
    plugins.register(Plugin(), "smear")
    photo = torch.zeros(3, 64, 96)
    photo[:, 30:34, 40:44] = 1.0
    motion = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(42, 32), (46, 32)])])
    video = kinema.animate(photo, motion, "smear", frames=3, plugins=plugins)
    columns = video.frames[:, 28:36].sum(axis=(1, 3)).argmax(axis=1)
    assert columns[2] > columns[0], "the bright square went right"
