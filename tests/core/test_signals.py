"""Motion signals: their form, one look at their numbers, batches, and folding over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor

from kinema import InputError, MotionSignal
from kinema.signals import concatenate, stack


def dense(frames: int = 5, channels: tuple[str, ...] = ("dx", "dy"), **more: Any) -> MotionSignal:
    shape = (frames, len(channels), 4, 6)
    maps = torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)
    return MotionSignal(maps=maps, channels=channels, **more)


def sparse(count: int = 3, frames: int = 5, **more: Any) -> MotionSignal:
    tracks = torch.arange(frames * count * 2, dtype=torch.float32).reshape(frames, count, 2) + 1
    visible = torch.ones(frames, count, dtype=torch.bool)
    return MotionSignal(tracks=tracks, visible=visible, **more)


def both(count: int = 3) -> MotionSignal:
    return concatenate([dense(), sparse(count)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "A MotionSignal needs maps or tracks, got neither."),
        (
            {"maps": torch.zeros(2, 2, 3, 3), "channels": ("dx",)},
            r"one channel per name; got \(2, 2, 3, 3\) for \('dx',\)",
        ),
        (
            {"maps": torch.full((2, 1, 3, 3), float("nan")), "channels": ("dx",)},
            "A MotionSignal's maps hold a value that is not finite.",
        ),
        (
            {"maps": torch.full((2, 1, 3, 3), -float("inf")), "channels": ("dx",)},
            "A MotionSignal's maps hold a value that is not finite.",
        ),
        (
            {"tracks": torch.zeros(2, 3, 2)},
            r"need bool visibility .* got \(2, 3, 2\) of torch.float32 and none",
        ),
        (
            {"tracks": torch.zeros(2, 3, 2), "visible": torch.ones(2, 3)},
            r"got \(2, 3, 2\) of torch.float32 and \(2, 3\) of torch.float32",
        ),
        (
            {"tracks": torch.zeros(2, 3, 2), "visible": torch.ones(3, 3, dtype=torch.bool)},
            r"and \(3, 3\) of torch.bool",
        ),
        (
            {
                "tracks": torch.full((2, 3, 2), float("nan")),
                "visible": torch.ones(2, 3, dtype=torch.bool),
            },
            "A MotionSignal's tracks are not finite where they are visible.",
        ),
        (
            {
                "maps": torch.zeros(3, 1, 4, 4),
                "channels": ("dx",),
                "tracks": torch.zeros(2, 3, 2),
                "visible": torch.ones(2, 3, dtype=torch.bool),
            },
            r"must be of the same frames: the maps are \(3, 1, 4, 4\), the tracks \(2, 3, 2\)",
        ),
    ],
)
def test_wrong_signals_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MotionSignal(**options)


def test_a_hidden_point_may_be_anywhere() -> None:
    tracks = torch.full((2, 1, 2), float("nan"))
    MotionSignal(tracks=tracks, visible=torch.zeros(2, 1, dtype=torch.bool))


def test_each_face_says_when_it_is_absent() -> None:
    with pytest.raises(InputError, match="holds point tracks, but dense maps are needed"):
        sparse().dense()
    with pytest.raises(InputError, match="holds dense maps, but point tracks are needed"):
        dense().points()
    assert (dense(4).frames, sparse(frames=7).frames, stack([both(), both(2)]).frames) == (4, 7, 5)


# -- one look at the numbers ----------------------------------------------------------------------


DERIVED: dict[str, Callable[[MotionSignal, MotionSignal], MotionSignal]] = {
    "to": lambda signal, other: signal.to("cpu", torch.float16),
    "without_motion": lambda signal, other: signal.without_motion(),
    "folded": lambda signal, other: signal.folded(2),
    "concatenate": lambda signal, other: concatenate([signal, other]),
    "stack": lambda signal, other: stack([signal, signal]),
}


@pytest.mark.parametrize("name", DERIVED)
def test_numbers_are_looked_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Tensor] = []
    real = torch.aminmax

    def look(values: Tensor) -> Any:
        looks.append(values)
        return real(values)

    monkeypatch.setattr(torch, "aminmax", look)
    monkeypatch.setattr(torch, "isfinite", None)
    signal = MotionSignal(
        maps=torch.ones(5, 2, 4, 6),
        channels=("dx", "dy"),
        tracks=torch.ones(5, 3, 2),
        visible=torch.ones(5, 3, dtype=torch.bool),
    )
    assert len(looks) == 2
    other = dense(channels=("mask",))
    assert len(looks) == 3
    DERIVED[name](signal, other)
    assert len(looks) == 3


def test_a_signal_changed_by_its_owner_is_looked_at_again() -> None:
    derived = dense().to("cpu")
    with pytest.raises(InputError, match="not finite"):
        attrs.evolve(derived, maps=torch.full((5, 2, 4, 6), float("nan")))


# -- derived signals ------------------------------------------------------------------------------


def test_maps_take_a_dtype_and_tracks_keep_theirs() -> None:
    moved = both().to("cpu", torch.bfloat16)
    assert moved.dense().dtype == torch.bfloat16
    tracks, visible = moved.points()
    assert (tracks.dtype, visible.dtype) == (torch.float32, torch.bool)
    assert moved.channels == ("dx", "dy")


@pytest.mark.parametrize("batched", [False, True])
def test_without_motion_every_point_stays_as_in_frame_0(batched: bool) -> None:
    signal = both()
    assert signal.visible is not None
    signal.visible[0, 1] = False
    signal.visible[3, 2] = False
    signal = stack([signal, both(1)]) if batched else signal
    still = signal.without_motion()
    assert not still.dense().any()
    tracks, visible = still.points()
    given, seen = signal.points()
    assert tracks.shape == given.shape
    for t in range(5):
        assert torch.equal(tracks[..., t, :, :], given[..., 0, :, :])
        assert torch.equal(visible[..., t, :], seen[..., 0, :])
    assert still.notes == signal.notes


def test_clips_with_fewer_points_are_filled_up_with_hidden_ones() -> None:
    signals = [sparse(2, notes=("a",)), sparse(0), sparse(4, notes=("b", "a"))]
    batch = stack(signals)
    tracks, visible = batch.points()
    assert (tracks.shape, visible.shape) == ((3, 5, 4, 2), (3, 5, 4))
    for index, signal in enumerate(signals):
        own, seen = signal.points()
        count = own.shape[1]
        assert torch.equal(tracks[index, :, :count], own)
        assert torch.equal(visible[index, :, :count], seen)
        assert not visible[index, :, count:].any()
        assert not tracks[index, :, count:].any()
    assert batch.maps is None
    assert batch.notes == ("a", "b")


def test_maps_and_tracks_are_batched_together() -> None:
    batch = stack([both(1), both(3)])
    assert batch.dense().shape == (2, 5, 2, 4, 6)
    assert batch.points()[0].shape == (2, 5, 3, 2)
    assert batch.channels == ("dx", "dy")


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        ([], "These signals cannot be stacked: there are none."),
        ([dense(), dense(4)], r"maps \(4, 2, 4, 6\), tracks None; .*maps \(5, 2, 4, 6\)"),
        ([dense(), dense(channels=("dx", "y"))], r"channels \('dx', 'dy'\), .*\('dx', 'y'\)"),
        ([sparse(), sparse(frames=4)], r"tracks \(4, 'N', 2\); .*tracks \(5, 'N', 2\)"),
        ([dense(), both()], r"tracks \(5, 'N', 2\); .*tracks None"),
        ([stack([sparse()])], r"\(1, 1, 5, 3, 2\) of torch.float32"),
    ],
)
def test_unlike_signals_are_not_stacked(signals: list[MotionSignal], message: str) -> None:
    with pytest.raises(InputError, match=message):
        stack(signals)


def test_two_signals_with_tracks_are_not_concatenated() -> None:
    with pytest.raises(InputError, match=r"channels \(\), 2 with tracks"):
        concatenate([sparse(), sparse()])
    with pytest.raises(InputError, match=r"There is no signal to concatenate."):
        concatenate([])
    with pytest.raises(InputError, match="must be of the same frames"):
        concatenate([dense(), sparse(frames=4)])
    only = dense()
    assert concatenate([only]) is only


# -- folding time ---------------------------------------------------------------------------------


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(("frames", "stride"), [(9, 4), (9, 8), (5, 2), (2, 1), (17, 4)])
def test_the_last_frame_of_each_group_stands_for_it(
    frames: int, stride: int, batched: bool
) -> None:
    signal = concatenate([dense(frames), sparse(frames=frames)])
    assert signal.visible is not None
    signal.visible[:, 0] = torch.arange(frames) % 3 == 0
    signal = stack([signal, signal]) if batched else signal
    folded = signal.folded(stride)
    kept = [0, *(1 + n * stride + stride - 1 for n in range((frames - 1) // stride))]
    assert torch.equal(folded.dense(), signal.dense()[..., kept, :, :, :])
    assert torch.equal(folded.points()[0], signal.points()[0][..., kept, :, :])
    assert torch.equal(folded.points()[1], signal.points()[1][..., kept, :])
    assert folded.frames == 1 + (frames - 1) // stride


def test_frames_that_do_not_fold_are_named() -> None:
    with pytest.raises(
        InputError,
        match=r"A signal of 16 frames cannot be folded by the temporal stride 4: frame 0 stands "
        r"alone, so it takes 1 \+ n \* 4 frames\.",
    ):
        sparse(frames=16).folded(4)
    with pytest.raises(InputError, match=r"A temporal stride must be at least 1, got 0."):
        sparse().folded(0)
