"""The tensors that conditions produce and trackers observe."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch
from torch import Tensor

from kinema.errors import InputError


@attrs.frozen(eq=False, kw_only=True)
class MotionSignal:
    """A motion as tensors: dense maps, point tracks, or both.

    Attributes:
        maps: float32 ``(T, C, H, W)``, or ``(B, T, C, H, W)`` for a batch; None without maps.
        channels: C names, in order, such as ``("dx", "dy")``. Displacements are pixels of the map
            relative to frame 0, x right and y down; masks are 0 or 1.
        tracks: ``(T, N, 2)`` pixels, or None.
        visible: ``(T, N)`` bool, or None without tracks.
        notes: what the condition had to assume (such as a depth prior), for the screen and the
            manifest.

    Raises:
        InputError: a shape, a name count or a number does not fit.
    """

    maps: Tensor | None = None
    channels: tuple[str, ...] = ()
    tracks: Tensor | None = None
    visible: Tensor | None = None
    notes: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.maps is None and self.tracks is None:
            raise InputError("A MotionSignal needs maps or tracks, got neither.")
        if self.maps is not None:
            shape = tuple(self.maps.shape)
            if self.maps.ndim not in (4, 5) or shape[-3] != len(self.channels):
                raise InputError(
                    f"A MotionSignal's maps must be (T, C, H, W) or (B, T, C, H, W) with one "
                    f"channel per name; got {shape!r} for {self.channels!r}."
                )
            if not bool(torch.isfinite(self.maps).all()):
                raise InputError("A MotionSignal's maps hold a value that is not finite.")
        if (self.tracks is None) != (self.visible is None) or (
            self.tracks is not None
            and self.visible is not None
            and (self.tracks.shape[-1] != 2 or self.tracks.shape[:-1] != self.visible.shape)
        ):
            raise InputError(
                "A MotionSignal's tracks (T, N, 2) need visibility (T, N) beside them."
            )

    def dense(self) -> Tensor:
        """The maps.

        Raises:
            InputError: this signal has only tracks.
        """
        if self.maps is None:
            raise InputError("This MotionSignal holds point tracks, but dense maps are needed.")
        return self.maps

    def channel(self, name: str) -> Tensor:
        """One named map, ``(..., T, H, W)``.

        Raises:
            InputError: there is no such channel.
        """
        if name not in self.channels:
            raise InputError(f"No channel {name!r}; this signal has {', '.join(self.channels)}.")
        return self.dense()[..., self.channels.index(name), :, :]

    def without_motion(self) -> MotionSignal:
        """The zero signal of the same shape: the motion-free guidance term."""
        maps = None if self.maps is None else torch.zeros_like(self.maps)
        tracks = None if self.tracks is None else self.tracks[..., :1, :, :].expand_as(self.tracks)
        return attrs.evolve(self, maps=maps, tracks=tracks)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> MotionSignal:
        """The same signal on another device, maps and tracks in another dtype."""
        maps = None if self.maps is None else self.maps.to(device, dtype)
        tracks = None if self.tracks is None else self.tracks.to(device, dtype)
        visible = None if self.visible is None else self.visible.to(device)
        return attrs.evolve(self, maps=maps, tracks=tracks, visible=visible)


def concatenate(signals: Sequence[MotionSignal]) -> MotionSignal:
    """Join the channels of several signals of one clip, in order; at most one may hold tracks.

    Raises:
        InputError: no signal, different sizes or frame counts, a channel name that occurs twice,
            or tracks in more than one.
    """
    if not signals:
        raise InputError("There is no signal to concatenate.")
    if len(signals) == 1:
        return signals[0]
    dense = [signal for signal in signals if signal.maps is not None]
    shapes = {(tuple(s.dense().shape[:-3]), tuple(s.dense().shape[-2:])) for s in dense}
    channels = tuple(name for signal in signals for name in signal.channels)
    tracked = [signal for signal in signals if signal.tracks is not None]
    if len(shapes) > 1 or len(set(channels)) != len(channels) or len(tracked) > 1:
        raise InputError(
            f"These signals cannot be concatenated: frames and sizes {sorted(shapes)!r}, channels "
            f"{channels!r}, {len(tracked)} with tracks."
        )
    return MotionSignal(
        maps=torch.cat([signal.dense() for signal in dense], dim=-3) if dense else None,
        channels=channels,
        tracks=tracked[0].tracks if tracked else None,
        visible=tracked[0].visible if tracked else None,
        notes=tuple(dict.fromkeys(note for signal in signals for note in signal.notes)),
    )


def stack(signals: Sequence[MotionSignal]) -> MotionSignal:
    """Batch the maps of B clips into ``(B, T, C, H, W)``.

    Raises:
        InputError: no signal, or different shapes or channels.
    """
    names = {signal.channels for signal in signals}
    shapes = {tuple(signal.dense().shape) for signal in signals}
    if len(names) != 1 or len(shapes) != 1:
        raise InputError(f"These signals cannot be stacked: {sorted(names)!r}, {sorted(shapes)!r}.")
    return MotionSignal(
        maps=torch.stack([signal.dense() for signal in signals]), channels=signals[0].channels
    )


@attrs.frozen(eq=False, kw_only=True)
class Observation:
    """What a tracker saw in a real clip.

    Attributes:
        displacement: float32 ``(T, H, W, 2)``: where each pixel of frame 0 has moved to, in pixels,
            x right and y down; frame 0 is zero.
        visible: bool ``(T, H, W)``: whether that pixel of frame 0 is seen in frame t.

    Raises:
        InputError: shapes do not fit, a number is not finite, or frame 0 moves.
    """

    displacement: Tensor
    visible: Tensor

    def __attrs_post_init__(self) -> None:
        d, v = tuple(self.displacement.shape), tuple(self.visible.shape)
        if len(d) != 4 or d[-1] != 2 or d[:-1] != v or d[0] < 2 or self.visible.dtype != torch.bool:
            raise InputError(
                "An Observation needs displacement (T, H, W, 2) and bool visibility (T, H, W) with "
                f"at least 2 frames; got {d!r} and {v!r} of {self.visible.dtype}."
            )
        if not _finite(self.displacement) or bool(self.displacement[0].any()):
            raise InputError("An Observation must be finite, and its frame 0 must not move.")


def _finite(values: Tensor) -> bool:
    # The extremes pass on NaN; one pass over memory, where isfinite takes four.
    return not values.numel() or bool(torch.stack(torch.aminmax(values)).isfinite().all())
