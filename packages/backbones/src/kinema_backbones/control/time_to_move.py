"""The controller ``time-to-move``: sampling begins from a warped clip (Time-to-Move, 2025).

No parameters and no training. The reference clip, noised to an early level, is where sampling
begins; under the mask it is put back until a second, later level.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import Actions, Request, Scene, Site, Step, StepAction
from kinema.levels import Schedule
from kinema.media.video import Video
from kinema.signals import MotionSignal
from kinema_backbones.control.latent_config import TimeToMoveConfig

#: What of eight bits is in the mask.
THRESHOLD = 0.5

#: The published clocks, as shares of the steps: of flow matching, and of exploding noise.
FLOW, EXPLODING = (3 / 50, 7 / 50), (16 / 50, 21 / 50)


@attrs.frozen
class Clocks:
    """The steps at which the two clocks stop.

    Attributes:
        weak: sampling begins at this step, from the noisy reference; -1 begins from noise alone.
        strong: the last step before which the reference is put back under the mask.
    """

    weak: int
    strong: int

    @classmethod
    def of(cls, config: TimeToMoveConfig, schedule: Schedule) -> Clocks:
        """The steps that the options mean in a schedule.

        Raises:
            InputError: they do not lie in this order within it.
        """
        weak, strong = (_step(told, config.clocks, schedule) for told in _told(config, schedule))
        if not -1 <= weak <= strong < schedule.steps:
            raise InputError(
                f"time-to-move's clocks mean the steps {weak} and {strong} of {schedule.steps}; "
                "they must be in this order and before the last."
            )
        return cls(weak, strong)


def _told(config: TimeToMoveConfig, schedule: Schedule) -> tuple[float, float]:
    if config.weak is not None and config.strong is not None:
        return config.weak, config.strong
    exploding = bool((schedule.alphas == 1).all())
    return EXPLODING if exploding else FLOW


def _step(value: float, clocks: str, schedule: Schedule) -> int:
    if value == -1 or clocks == "step":
        return int(value)
    if clocks == "share":
        return round(value * schedule.steps)
    share = schedule.sigmas.double() / (schedule.alphas.double() + schedule.sigmas.double())
    return int((share[:-1] - value).abs().argmin())


class Blending:
    """The action of time-to-move at the sampler's steps, for the videos of one request.

    Both guidance halves see the same latents. A solver that keeps samples of its own, as UniPC
    does, sees the blend through the network alone, as in the published runs.

    Args:
        reference: clean latents ``(B, T', C, h, w)`` of the clip.
        mask: ``(B, T', 1, h, w)``, 1 where the reference is put back.
        config: the clocks.
        noise: unit noise of the reference; the run's own unless given.
    """

    def __init__(
        self,
        reference: Tensor,
        mask: Tensor,
        config: TimeToMoveConfig,
        noise: Tensor | None = None,
    ) -> None:
        self._reference = reference
        self._mask = mask
        self._config = config
        self._noise = noise
        self._clocks = Clocks(-1, -1)

    def begins(self, schedule: Schedule) -> int:
        """The step at which sampling begins."""
        self._clocks = Clocks.of(self._config, schedule)
        return max(self._clocks.weak, 0)

    def __call__(self, latents: Tensor, step: Step) -> Tensor:
        """The latents before ``step``."""
        clocks = self._clocks
        first = max(clocks.weak, 0)
        if step.index > clocks.strong or (step.index == first and clocks.weak < 0):
            return latents
        reference = self._reference.to(latents.device, latents.dtype)
        noise = step.noise if self._noise is None else self._noise.to(latents.device)
        noisy = step.level.noisy(reference, noise)
        if step.index == first:
            return noisy
        mask = self._mask.to(latents.device, latents.dtype)
        return latents * (1 - mask) + mask * noisy


class TimeToMove:
    """Time-to-Move, on any backbone with a sampler."""

    def __init__(self, config: TimeToMoveConfig | None = None) -> None:
        self.config = config or TimeToMoveConfig()

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene]
    ) -> Actions:
        """A blending at the sampler's steps.

        Raises:
            InputError: the backbone has no sampler, the scenes have no photo, or a clip that is
                named cannot be used.
        """
        site = next((site for site in sites if site.kind == "sampler-step"), None)
        if site is None:
            raise InputError(
                "The controller 'time-to-move' acts at the steps of a sampler, which this backbone "
                "does not have. It renders a motion itself or makes its frames in one pass."
            )
        references, masks = [], []
        for place, scene in enumerate(scenes):
            clip, mask = self._clip(signal, scene, place)
            if scene.encode is None:
                raise InputError(
                    "time-to-move needs a backbone that encodes the reference; there is none here. "
                    "It takes no part in training."
                )
            references.append(scene.encode(clip).float())
            masks.append(latent_mask(mask, site.stride, site.temporal_stride))
        blending = Blending(torch.stack(references), torch.stack(masks), self.config)
        return {site.name: StepAction(blending, begins=blending.begins)}

    def _clip(self, signal: MotionSignal, scene: Scene, place: int) -> tuple[Tensor, Tensor]:
        """The reference ``(T, 3, H, W)`` and its mask ``(T, H, W)``."""
        if scene.image is None:
            raise InputError("time-to-move warps a photo, but there is none.")
        height, width = scene.image.shape[-2:]
        if self.config.reference:
            clip = read_clip(self.config.reference, scene.frames)
            mask = read_clip(self.config.reference_mask, scene.frames)
            return resized_clip(clip, height, width), resized_mask(mask, height, width)
        return rendered(signal, scene, place, self.config.moving)


# -- clips ----------------------------------------------------------------------------------------


def read_clip(path: str, frames: int) -> Tensor:
    """The first T frames of a clip, float32 ``(T, 3, H, W)`` in [0, 1].

    Raises:
        InputError: it cannot be read, or is shorter.
    """
    video = Video.load(Path(path), fps=1.0)
    if len(video.frames) < frames:
        raise InputError(
            f"The clip {path!r} has {len(video.frames)} frames, but the video has {frames}."
        )
    return torch.from_numpy(video.frames[:frames]).permute(0, 3, 1, 2).float() / 255


def resized_clip(clip: Tensor, height: int, width: int) -> Tensor:
    """A clip ``(T, 3, H, W)`` on the canvas, as published: bicubic, corners on corners."""
    if clip.shape[-2:] == (height, width):
        return clip
    return F.interpolate(clip, (height, width), mode="bicubic", align_corners=True)


def resized_mask(mask: Tensor, height: int, width: int) -> Tensor:
    """A mask clip ``(T, 3, H, W)`` on the canvas, bool ``(T, H, W)``: true if any channel is."""
    nearest = F.interpolate(mask.float(), (height, width), mode="nearest")
    return (nearest > THRESHOLD).any(1)


def latent_mask(mask: Tensor, stride: int, temporal_stride: int) -> Tensor:
    """The mask at a site, float32 ``(T', 1, h, w)``: the first frame of each group, nearest pixel.

    Args:
        mask: bool ``(T, H, W)``.
        stride: pixels per cell; sides that it does not divide are cut.
        temporal_stride: frames per group after the first.
    """
    frames, height, width = mask.shape
    firsts = [0, *range(1, frames, temporal_stride)]
    rows, columns = (
        torch.arange(side // stride) * side // (side // stride) for side in (height, width)
    )
    picked = mask[firsts][:, rows.to(mask.device)][:, :, columns.to(mask.device)]
    return picked[:, None].float()


# -- what preview renders -------------------------------------------------------------------------


def rendered(signal: MotionSignal, scene: Scene, place: int, moving: str) -> tuple[Tensor, Tensor]:
    """The photo warped by the backbone ``preview``, and where it is to be followed.

    Args:
        signal: of the condition ``layered-motion``, of B videos or of one.
        place: of the video in the batch.
        moving: ``objects``, ``seen`` or ``auto``.

    Returns:
        ``(T, 3, H, W)`` in [0, 1] and bool ``(T, H, W)``, on the CPU.
    """
    from kinema_backbones.preview.backbone import Preview

    assert scene.image is not None
    height, width = scene.image.shape[-2:]
    mine = _of(signal, place)
    preview = Preview()
    request = Request(
        image=scene.image[None].float().cpu(),
        size=(width, height),
        frames=scene.frames,
        fps=1.0,
        terms={"conditional": {}},
        signal=mine,
    )
    embedding = preview.embed(request)["conditional"]
    clip = torch.stack([frame[0] for frame in preview.pictures(embedding)])
    return clip, _followed(mine, moving)


def _of(signal: MotionSignal, place: int) -> MotionSignal:
    shape = signal.shape
    if shape is None or len(shape) == 4:
        return signal.to("cpu")
    return MotionSignal(maps=signal.dense()[place].cpu(), channels=signal.channels)


def _followed(signal: MotionSignal, moving: str) -> Tensor:
    """Where the warped photo shows what moves, or what the photo shows at all: ``(T, H, W)``."""
    names = {name: index for index, name in enumerate(signal.channels)}
    first = signal.frame(0)
    if moving == "auto":
        last = signal.frame(signal.frames - 1)
        ground = first[names["layer"]] < 0.5
        far = (last[names["dx"]].abs() + last[names["dy"]].abs()) > 0.5
        # A soft drag moves some of the ground; a camera nearly all of it.
        share = float((far & ground).sum()) / max(1.0, float(ground.sum()))
        moving = "seen" if share > 0.9 else "objects"
    masks = []
    for index in range(signal.frames):
        maps = signal.frame(index)
        moves = torch.stack([maps[names["dx"]], maps[names["dy"]]])
        chosen = maps[names["depth"]] > 0
        if moving == "objects":
            chosen = chosen & _moves(signal, names)
        masks.append(landed(moves, chosen))
    return torch.stack(masks)


def _moves(signal: MotionSignal, names: dict[str, int]) -> Tensor:
    """Pixels of frame 0 that go anywhere: whole regions, and of the ground what itself moves."""
    first = signal.frame(0)
    layer = first[names["layer"]].round()
    reach = torch.zeros_like(layer)
    for index in range(signal.frames):
        maps = signal.frame(index)
        reach = torch.maximum(reach, torch.hypot(maps[names["dx"]], maps[names["dy"]]))
    moved = reach > 0.5
    for number in layer.unique().tolist():
        if number > 0 and bool(moved[layer == number].any()):
            moved = moved | (layer == number)
    return moved


def landed(moves: Tensor, chosen: Tensor) -> Tensor:
    """Where chosen pixels are after a displacement, bool ``(H, W)``, without the pores between.

    Args:
        moves: ``(2, H, W)``, dx and dy.
        chosen: bool ``(H, W)``.
    """
    height, width = chosen.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([x, y]).float() + moves
    hit = torch.zeros(height, width, dtype=torch.bool)
    for dx in (0, 1):
        for dy in (0, 1):
            column = (places[0].floor() + dx).long()
            row = (places[1].floor() + dy).long()
            near = ((places[0] - column).abs() < 1) & ((places[1] - row).abs() < 1)
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            good = chosen & inside & near
            hit[row[good], column[good]] = True
    grown = F.max_pool2d(hit[None, None].float(), 3, 1, 1)
    closed = -F.max_pool2d(F.pad(-grown, (1, 1, 1, 1), value=-1.0), 3, 1)
    return closed[0, 0] > 0
