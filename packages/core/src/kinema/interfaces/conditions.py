"""What conditions and depth estimators must do.

Shape legend, here and everywhere: ``B`` batch, ``T`` frames, ``C`` channels, ``H W`` pixels,
``h w`` latent pixels, ``N`` points. Sizes are (width, height); tensors are (..., H, W).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import attrs
import torch
from torch import Tensor

from kinema.motion.motion import Motion
from kinema.signals import MotionSignal, Observation


@attrs.frozen(eq=False, kw_only=True)
class DepthMap:
    """Depth along the camera's z axis.

    Attributes:
        depth: float32 ``(H, W)``, positive and finite.
        metric: whether the unit is metres; otherwise only ratios mean anything.
        source: how the screen and the manifest name where it came from.
        prior: whether it was made without a look at the photo, as of bare ground; a region of the
            motion then stands upright on it.
    """

    depth: Tensor
    metric: bool
    source: str
    prior: bool = False


@runtime_checkable
class DepthEstimator(Protocol):
    """Finds the depth of a photo."""

    def estimate(self, image: Tensor, fit: Callable[[Any], Any]) -> DepthMap:
        """Depth of ``image`` float32 ``(3, H, W)`` in [0, 1], at the same size.

        Args:
            fit: as :attr:`Scene.fit`, for depth that is known of the photo as it was.
        """


def _as_it_is(array: Any) -> Any:
    return array


@attrs.frozen(eq=False, kw_only=True)
class Scene:
    """The photo a Motion is about, for conditions and controllers that need more than the Motion.

    Attributes:
        frames: T.
        image: float32 ``(3, H, W)`` in [0, 1], on the Motion's canvas; None without a photo.
        depth: finds the depth, only when it is asked for; None where there is none.
        encode: latents ``(T', C, h, w)`` of frames ``(T, 3, H, W)`` in [0, 1] on the canvas, by the
            backbone, only when they are asked for; None where there is no backbone.
        fit: carries a picture of the photo's own size, as an array ``(H, W)`` or ``(H, W, C)``, to
            the canvas, exactly as the photo was (:class:`kinema.media.fit.Fit`).
    """

    frames: int
    image: Tensor | None = None
    depth: Callable[[], DepthMap] | None = None
    encode: Callable[[Tensor], Tensor] | None = None
    fit: Callable[[Any], Any] = _as_it_is


@runtime_checkable
class Condition(Protocol):
    """Turns a Motion, or an Observation of a real clip, into the same kind of MotionSignal."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the maps' channels, in order. A plain attribute will do."""

    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        """What the person asked for, on ``motion.canvas``, maps ``(T, C, H, W)``.

        Deterministic. Raises MotionError where the Motion cannot be expressed; never drops a part
        of it silently.
        """

    def from_observation(
        self, observation: Observation, generator: torch.Generator
    ) -> MotionSignal:
        """A random training signal of the same form; all randomness comes from ``generator``."""
