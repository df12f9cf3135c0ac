"""The tensors that conditions produce and trackers observe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import attrs
import torch
from torch import Tensor

from kinema.errors import InputError


@runtime_checkable
class Maps(Protocol):
    """Dense maps that are made when they are asked for: all of a long video would fill memory."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, H, W)``."""

    def frame(self, index: int) -> Tensor:
        """The maps of one frame, float32 ``(C, H, W)``; the same numbers whenever it is asked."""


@runtime_checkable
class MapsByRows(Maps, Protocol):
    """Maps of which some rows can be made alone, since one frame may be large."""

    def rows(self, index: int, first: int, last: int) -> Tensor:
        """Rows of the maps of one frame, float32 ``(C, last - first, W)``; the same numbers."""


@attrs.frozen(eq=False, kw_only=True)
class MotionSignal:
    """A motion as tensors: dense maps, point tracks, or both.

    The numbers are looked at once, when a condition makes a signal; signals derived from it
    (:meth:`to`, :meth:`without_motion`, :meth:`folded`, :func:`concatenate`, :func:`stack`) only
    move, repeat or join them.

    Attributes:
        maps: float32 ``(T, C, H, W)``, or ``(B, T, C, H, W)`` for a batch; None without maps. A
            condition may hand in :class:`Maps` instead, which become a tensor when that is first
            asked for; who reads one frame after another asks :meth:`frame`.
        channels: C names, in order, such as ``("dx", "dy")``. Displacements are pixels of the map
            relative to frame 0, x right and y down; masks are 0 or 1.
        tracks: float32 ``(T, N, 2)`` canvas pixels, or ``(B, T, N, 2)``; None without tracks. Where
            a point is not visible its place means nothing.
        visible: bool ``(T, N)`` or ``(B, T, N)``; None without tracks. The clips of a batch have as
            many points each: the missing ones are never visible.
        notes: what the condition had to assume (such as a depth prior), for the screen and the
            manifest.

    Raises:
        InputError: a shape, a type, a name count or a number does not fit.
    """

    _maps: Tensor | Maps | None = attrs.field(default=None, alias="maps")
    channels: tuple[str, ...] = ()
    tracks: Tensor | None = None
    visible: Tensor | None = None
    notes: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        self._check_form()
        if isinstance(self._maps, Tensor):
            _check_finite(self._maps)
        if self.tracks is not None and not _finite(self.tracks[self.visible]):
            raise InputError("A MotionSignal's tracks are not finite where they are visible.")

    def _check_form(self) -> None:
        maps, tracks, visible = self._maps, self.tracks, self.visible
        if maps is None and tracks is None:
            raise InputError("A MotionSignal needs maps or tracks, got neither.")
        if maps is not None and (
            len(maps.shape) not in (4, 5) or maps.shape[-3] != len(self.channels)
        ):
            raise InputError(
                f"A MotionSignal's maps must be (T, C, H, W) or (B, T, C, H, W) with one "
                f"channel per name; got {tuple(maps.shape)!r} for {self.channels!r}."
            )
        if tracks is None and visible is None:
            return
        if (
            tracks is None
            or visible is None
            or tracks.ndim not in (3, 4)
            or tracks.shape[-1] != 2
            or tracks.shape[:-1] != visible.shape
            or visible.dtype != torch.bool
        ):
            raise InputError(
                "A MotionSignal's tracks (T, N, 2) or (B, T, N, 2) need bool visibility (T, N) or "
                f"(B, T, N) beside them; got {_form(tracks)} and {_form(visible)}."
            )
        if maps is not None and tuple(maps.shape[:-3]) != tuple(tracks.shape[:-2]):
            raise InputError(
                "A MotionSignal's maps and tracks must be of the same frames: the maps are "
                f"{tuple(maps.shape)!r}, the tracks {tuple(tracks.shape)!r}."
            )

    def _with(self, **parts: Tensor | None) -> MotionSignal:
        return _derived(channels=self.channels, notes=self.notes, **parts)

    @property
    def maps(self) -> Tensor | None:
        """All maps, as a tensor."""
        if self._maps is None or isinstance(self._maps, Tensor):
            return self._maps
        made = torch.stack([self.frame(index) for index in range(self._maps.shape[0])])
        object.__setattr__(self, "_maps", made)
        return made

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of the maps, which need not be made for it; None without maps."""
        return None if self._maps is None else tuple(self._maps.shape)

    def frame(self, index: int) -> Tensor:
        """The maps ``(..., C, H, W)`` of one frame; no other is made for it.

        Raises:
            InputError: this signal has only tracks, or a number is not finite.
        """
        if self._maps is None or isinstance(self._maps, Tensor):
            return self.dense()[..., index, :, :, :]
        made = self._maps.frame(index)
        _check_finite(made)
        return made

    def rows(self, index: int, first: int, last: int) -> Tensor:
        """Some rows of the maps of one frame, ``(..., C, last - first, W)``.

        Of maps that are :class:`MapsByRows` no others are made for it.

        Raises:
            InputError: this signal has only tracks, or a number is not finite.
        """
        if not isinstance(self._maps, MapsByRows):
            return self.frame(index)[..., first:last, :]
        made = self._maps.rows(index, first, last)
        _check_finite(made)
        return made

    @property
    def is_still(self) -> bool:
        """Whether nothing in it moves: no displacement is other than 0, no point leaves its place.

        Of maps that are made frame by frame only the middle and the last frame are looked at. A
        signal without displacements and points, such as a mask, is never still.
        """
        moves = [place for place, name in enumerate(self.channels) if name in ("dx", "dy")]
        if self._maps is not None and moves:
            whole = isinstance(self._maps, Tensor)
            frames = range(self.frames) if whole else (self.frames // 2, self.frames - 1)
            if any(bool(self.frame(index)[..., moves, :, :].any()) for index in frames):
                return False
        if self.tracks is not None and self.visible is not None:
            start = self.tracks[..., :1, :, :]
            known = self.visible & self.visible[..., :1, :]
            if bool(((self.tracks - start).abs().amax(-1) * known > 1e-3).any()):
                return False
        return bool(moves) or self.tracks is not None

    @property
    def frames(self) -> int:
        """T."""
        if self._maps is not None:
            return int(self._maps.shape[-4])
        assert self.tracks is not None
        return self.tracks.shape[-3]

    def dense(self) -> Tensor:
        """The maps.

        Raises:
            InputError: this signal has only tracks.
        """
        maps = self.maps
        if maps is None:
            raise InputError("This MotionSignal holds point tracks, but dense maps are needed.")
        return maps

    def points(self) -> tuple[Tensor, Tensor]:
        """The tracks ``(..., T, N, 2)`` and their visibility ``(..., T, N)``.

        Raises:
            InputError: this signal has only maps.
        """
        if self.tracks is None or self.visible is None:
            raise InputError("This MotionSignal holds dense maps, but point tracks are needed.")
        return self.tracks, self.visible

    def channel(self, name: str) -> Tensor:
        """One named map, ``(..., T, H, W)``.

        Raises:
            InputError: there is no such channel.
        """
        if name not in self.channels:
            raise InputError(f"No channel {name!r}; this signal has {', '.join(self.channels)}.")
        return self.dense()[..., self.channels.index(name), :, :]

    def without_motion(self) -> MotionSignal:
        """The zero signal of the same shape: the motion-free guidance term.

        Maps are zero; points stay where they are in frame 0, and as visible as there.
        """

        def first(values: Tensor, axis: int) -> Tensor:
            return values.narrow(axis, 0, 1).expand_as(values)

        return self._with(
            maps=_each(self.maps, torch.zeros_like),
            tracks=_each(self.tracks, lambda tracks: first(tracks, -3)),
            visible=_each(self.visible, lambda visible: first(visible, -2)),
        )

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> MotionSignal:
        """The same signal on another device, and its maps in another dtype.

        Tracks stay in float32: at 832 pixels bfloat16 knows only every fourth.
        """
        here = torch.device(device).type == "cpu" and dtype in (None, torch.float32)
        if here and self._maps is not None and not isinstance(self._maps, Tensor):
            return self
        return self._with(
            maps=_each(self.maps, lambda maps: maps.to(device, dtype)),
            tracks=_each(self.tracks, lambda tracks: tracks.to(device)),
            visible=_each(self.visible, lambda visible: visible.to(device)),
        )

    def folded(self, temporal_stride: int) -> MotionSignal:
        """The signal at the latent frames of a model whose VAE folds time.

        Such a VAE makes one latent frame of frame 0 alone, then one of every ``temporal_stride``
        frames (Wan, LTX, CogVideoX and HunyuanVideo: 4 or 8). The last frame of each group stands
        for it.

        Returns:
            T' = 1 + (T - 1) / ``temporal_stride`` frames; sizes in pixels stay as they are.

        Raises:
            InputError: T is not 1 + a multiple of ``temporal_stride``, or the stride is below 1.
        """
        if temporal_stride < 1:
            raise InputError(f"A temporal stride must be at least 1, got {temporal_stride!r}.")
        if (self.frames - 1) % temporal_stride:
            raise InputError(
                f"A signal of {self.frames} frames cannot be folded by the temporal stride "
                f"{temporal_stride}: frame 0 stands alone, so it takes 1 + n * {temporal_stride} "
                "frames."
            )
        if temporal_stride == 1:
            return self
        return self._with(
            maps=_each(self.maps, lambda maps: maps[..., ::temporal_stride, :, :, :]),
            tracks=_each(self.tracks, lambda tracks: tracks[..., ::temporal_stride, :, :]),
            visible=_each(self.visible, lambda visible: visible[..., ::temporal_stride, :]),
        )


def _derived(**fields: Any) -> MotionSignal:
    """A signal whose numbers come from signals that were looked at; only its form is checked."""
    made = object.__new__(MotionSignal)
    for name, value in fields.items():
        object.__setattr__(made, "_maps" if name == "maps" else name, value)
    made._check_form()
    return made


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
    return _derived(
        maps=torch.cat([signal.dense() for signal in dense], dim=-3) if dense else None,
        channels=channels,
        tracks=tracked[0].tracks if tracked else None,
        visible=tracked[0].visible if tracked else None,
        notes=_all_notes(signals),
    )


def stack(signals: Sequence[MotionSignal]) -> MotionSignal:
    """Batch the signals of B clips: maps ``(B, T, C, H, W)``, tracks ``(B, T, N, 2)``.

    N is the largest count of points. Clips with fewer are filled up with points at (0, 0) that are
    never visible.

    Raises:
        InputError: no signal, different shapes, channels or frame counts, or tracks in some clips
            only.
    """
    forms = {
        (
            signal.channels,
            None if signal.maps is None else tuple(signal.maps.shape),
            None if signal.tracks is None else (*signal.tracks.shape[:-2], "N", 2),
        )
        for signal in signals
    }
    if len(forms) != 1:
        told = "; ".join(
            f"channels {names!r}, maps {maps!r}, tracks {tracks!r}"
            for names, maps, tracks in sorted(forms, key=repr)
        )
        raise InputError(f"These signals cannot be stacked: {told or 'there are none'}.")
    tracks, visible = _padded(signals) if signals[0].tracks is not None else (None, None)
    return _derived(
        maps=None if signals[0].maps is None else torch.stack([each.dense() for each in signals]),
        channels=signals[0].channels,
        tracks=tracks,
        visible=visible,
        notes=_all_notes(signals),
    )


def _padded(signals: Sequence[MotionSignal]) -> tuple[Tensor, Tensor]:
    points = [signal.points() for signal in signals]
    most = max(tracks.shape[-2] for tracks, _ in points)
    first, seen = points[0]
    batch = first.new_zeros(len(points), *first.shape[:-2], most, 2)
    visible = seen.new_zeros(batch.shape[:-1])
    for index, (tracks, shown) in enumerate(points):
        batch[index, ..., : tracks.shape[-2], :] = tracks
        visible[index, ..., : tracks.shape[-2]] = shown
    return batch, visible


def _all_notes(signals: Sequence[MotionSignal]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for signal in signals for note in signal.notes))


def _each(values: Tensor | None, change: Callable[[Tensor], Tensor]) -> Tensor | None:
    return None if values is None else change(values)


def _form(values: Tensor | None) -> str:
    return "none" if values is None else f"{tuple(values.shape)!r} of {values.dtype}"


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


def _check_finite(maps: Tensor) -> None:
    if not _finite(maps):
        raise InputError("A MotionSignal's maps hold a value that is not finite.")


def _finite(values: Tensor) -> bool:
    # The extremes pass on NaN; one pass over memory, where isfinite takes four.
    return not values.numel() or bool(torch.stack(torch.aminmax(values)).isfinite().all())
