"""Metrics that compare a video with the real one: PSNR, SSIM, and how far its motion is off."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from kinema.errors import InputError
from kinema.extras import require
from kinema.interfaces import Truth
from kinema.motion.motion import Motion
from kinema.plugins import Plugins
from kinema_apps.metrics.configs import DisConfig
from kinema_apps.metrics.seen_motion import check_video, sampled, seen_motion

#: PSNR of equal frames, which would be infinite.
MOST_DECIBELS = 100.0

#: A pixel moves if its true displacement is longer than this somewhere, in pixels.
MOVING = 1.0


class NeedsTruth:
    """A metric that cannot say anything of a video alone."""

    name = ""

    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        """Refuse.

        Raises:
            InputError: always; :meth:`compare` is meant.
        """
        raise InputError(f"{self.name} compares a video with what is known, and nothing is given.")


class PictureMetric(NeedsTruth):
    """The mean over the frames 1 to T - 1 of a number of two pictures.

    Frame 0 is the photo that every model is given, so it says nothing.

    Args:
        name: of the number.
        of: float32 ``(T, 3, H, W)`` in [0, 1], twice, to ``(T,)``.
    """

    def __init__(self, name: str, of: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.name = name
        self._of = of

    def compare(self, frames: Tensor, motion: Motion, truth: Truth) -> Mapping[str, float]:
        """Of uint8 ``(T, H, W, 3)`` frames.

        Raises:
            InputError: the real video is unknown or of another form.
        """
        check_video(frames)
        if truth.frames is None:
            raise InputError(f"{self.name} needs the real video, which is not known.")
        if truth.frames.shape != frames.shape:
            raise InputError(
                f"{self.name} compares frames of one form: the video is {_form(frames)}, the real "
                f"one {_form(truth.frames)}."
            )
        found = self._of(_floats(frames[1:]), _floats(truth.frames[1:]))
        return {self.name: float(found.double().mean())}


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each pair, at most 100; ``(T, 3, H, W)`` in [0, 1]."""
    error = (first - second).square().mean(dim=(1, 2, 3), dtype=torch.float64)
    return (-10 * torch.log10(error.clamp(min=1e-30))).clamp(max=MOST_DECIBELS)


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """SSIM of each pair (Wang et al. 2004): Gaussian window of 11 pixels, sigma 1.5, per channel.

    Raises:
        ExtraError: kornia is not installed.
        InputError: the pictures are smaller than the window.
    """
    if min(first.shape[-2:]) < 11:
        raise InputError(
            f"ssim needs pictures of at least 11x11 pixels, got {first.shape[-1]}x"
            f"{first.shape[-2]}."
        )
    require("kornia", "kinema-apps[metrics]", "The metric 'ssim'")
    from kornia.metrics import ssim as maps

    # A pair at a time stays in a processor's cache, which is quicker than all at once.
    found = [
        maps(one[None], two[None], window_size=11, max_val=1.0)[..., 5:-5, 5:-5].mean()
        for one, two in zip(first, second, strict=True)
    ]
    return torch.stack(found)


class EndPointError(NeedsTruth):
    """How far what is seen of the motion is from the true motion, in pixels of the video.

    The mean over the frames 1 to T - 1 and the pixels of frame 0 that the real video shows there
    (or the tracks that are visible), of the distance of end points; ``-moving`` is that over the
    pixels that truly move by more than a pixel.
    """

    name = "end-point-error[dis]"
    moving = "end-point-error-moving[dis]"

    def __init__(self, config: DisConfig, plugins: Plugins | None = None) -> None:
        self._seen = seen_motion(config.side, config.quality, plugins)

    def compare(self, frames: Tensor, motion: Motion, truth: Truth) -> Mapping[str, float]:
        """Of uint8 ``(T, H, W, 3)`` frames.

        Raises:
            InputError: the true motion is unknown, of another form, or nothing stays visible.
        """
        seen = self._seen(frames).displacement
        if truth.observation is not None:
            true, visible = truth.observation.displacement, truth.observation.visible
        elif truth.tracks is not None and truth.visible is not None:
            true, visible = truth.tracks - truth.tracks[:1], truth.visible & truth.visible[:1]
            seen = sampled(seen, truth.tracks[0])
        else:
            raise InputError(f"{self.name} needs the true motion, which is not known.")
        if seen.shape != true.shape:
            raise InputError(
                f"{self.name} compares motion of one form: the video's is {tuple(seen.shape)!r}, "
                f"the true one {tuple(true.shape)!r}."
            )
        if not bool(visible[1:].any()):
            raise InputError(f"{self.name}: nothing of frame 0 is visible in a later frame.")
        error = (seen - true).norm(dim=-1)[1:].double()
        shown = visible[1:]
        found = {self.name: float(error[shown].mean())}
        moves = shown & (true.norm(dim=-1).amax(dim=0) > MOVING)
        if bool(moves.any()):
            found[self.moving] = float(error[moves].mean())
        return found


class FlowMagnitude:
    """How much moves at all: the mean length of the motion from frame to frame, in pixels.

    It says nothing of whether the motion is the right one.
    """

    name = "flow-magnitude[dis]"

    def __init__(self, config: DisConfig, plugins: Plugins | None = None) -> None:
        self._seen = seen_motion(config.side, config.quality, plugins)

    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        """Of uint8 ``(T, H, W, 3)`` frames.

        Raises:
            InputError: the frames are no video.
        """
        steps = self._seen(frames).displacement.diff(dim=0)
        return {self.name: float(steps.norm(dim=-1).double().mean())}


def _floats(frames: Tensor) -> Tensor:
    return frames.permute(0, 3, 1, 2).contiguous().float().div_(255.0)


def _form(frames: Tensor) -> str:
    count, height, width = frames.shape[:3]
    return f"{count} frames of {width}x{height}"
