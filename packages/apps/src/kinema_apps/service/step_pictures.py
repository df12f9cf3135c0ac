"""Rough moving pictures of a video that is still being sampled."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kinema import hookimpl
from kinema.files import write_atomically
from kinema.media.fit import Fit
from kinema.media.photo import Photo
from kinema.motion.canvas import Size

#: As an event plugin.
NAME = "step-pictures"

#: Seconds between two pictures of one video.
PAUSE = 1.0

#: The longer side of a picture, in pixels, is at most this.
SIDE = 160


def rough(clean: NDArray[np.float32], photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What latents show, without the network that decodes them.

    The photo is the first frame, so the linear map from the latents of the first frame to the
    photo's colours, found by least squares, gives the colours of all frames. No table of factors
    per model is needed.

    Args:
        clean: the predicted clean latents ``(T, C, h, w)``.
        photo: ``(H, W, 3)``, on the canvas of the video.

    Returns:
        uint8 ``(T, h, w, 3)`` RGB.
    """
    frames, channels, height, width = clean.shape
    colours = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BOX))
    told = clean.transpose(0, 2, 3, 1).reshape(frames, height * width, channels)
    told = np.concatenate([told, np.ones((frames, height * width, 1), np.float32)], 2)
    # Ridge: latents of early steps may be all alike.
    inner = told[0].T @ told[0] + 1e-3 * height * width * np.eye(channels + 1, dtype=np.float32)
    factors = np.linalg.solve(inner, told[0].T @ colours.reshape(-1, 3).astype(np.float32))
    pixels = (told @ factors).reshape(frames, height, width, 3)
    return np.asarray(pixels.clip(0, 255).astype(np.uint8))


@attrs.define(eq=False)
class StepPictures:
    """An event plugin that draws them of the run that is under way.

    Attributes:
        photo: of the run; None draws nothing.
        canvas: (width, height) that its motion was drawn on.
        folder: where pictures go.
        tell: called with the step, the steps and the name of each picture.
    """

    photo: Photo | None = None
    canvas: Size = (1, 1)
    folder: Path = attrs.field(factory=Path)
    tell: Callable[[int, int, str], None] = attrs.field(default=lambda *told: None)
    _last: float = 0.0

    @hookimpl
    def kinema_step_finished(self, run: Any, step: int, steps: int, clean: Any) -> None:
        """Draw what the step predicts, unless it is the last or the one before was just drawn."""
        now = time.monotonic()
        if self.photo is None or step >= steps or now - self._last < PAUSE:
            return
        self._last = now
        photo = self.photo.on(Fit.of(self.photo.size, run.size, self.canvas))
        pixels = rough(clean[0].detach().float().cpu().numpy(), photo.pixels)
        name = f"step-{step:04d}.webp"
        write_atomically(self.folder / name, lambda part: _save(pixels, run.fps, part))
        self.tell(step, steps, name)


def _save(pixels: NDArray[np.uint8], fps: float, path: Path) -> None:
    height, width = pixels.shape[1:3]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    first, *rest = [Image.fromarray(p).resize(size, Image.Resampling.BICUBIC) for p in pixels]
    first.save(
        path,
        "WEBP",
        save_all=True,
        append_images=rest,
        duration=max(20, round(1000 / fps)),
        loop=0,
        quality=70,
    )
