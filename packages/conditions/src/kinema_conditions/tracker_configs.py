"""Options of the trackers. Plain data: nothing here loads torch."""

from __future__ import annotations

from typing import Literal

import attrs

from kinema.errors import InputError
from kinema.offers import WeightFile
from kinema_conditions.synthetic_config import SyntheticConfig

#: What ``cotracker3`` and ``dot`` need; nothing of either comes with this package.
COTRACKER3_WEIGHTS = WeightFile(
    path="scaled_offline.pth",
    hub="facebook/cotracker3",
    licence="CC-BY-NC-4.0",
    bytes=101_890_938,
    sha256="2670d4562ed69326dda775a26e54883925cd11b6fc9b24cb7aa9f8078bce7834",
)
#: The point tracker, the flow estimator and the flow refiner; their sizes are not published. The
#: code is MIT but for the point tracker, which is CoTracker's.
DOT_WEIGHTS = tuple(
    WeightFile(path=path, hub="16lemoing/dot", licence=licence)
    for path, licence in (
        ("movi_f_cotracker2_patch_4_wind_8.pth", "CC-BY-NC-4.0"),
        ("cvo_raft_patch_8.pth", "MIT"),
        ("movi_f_raft_patch_4_alpha.pth", "MIT"),
    )
)

Quality = Literal["fast", "balanced", "high"]
QUALITIES: dict[str, str] = {
    "fast": "flow between neighbouring frames, chained",
    "balanced": "the chain, corrected by direct flow that starts from it",
    "high": "as balanced, at full resolution",
}


def _check_least(tracker: str, config: object, **least: int) -> None:
    for name, low in least.items():
        value = getattr(config, name)
        if value < low:
            raise InputError(f"{tracker}'s {name} must be at least {low}, got {value!r}.")


@attrs.frozen(kw_only=True)
class DisConfig:
    """Options of ``dis``.

    Raises:
        InputError: the quality is unknown.
    """

    quality: Quality = "balanced"
    """fast (flow between neighbouring frames, chained), balanced (the chain, corrected by direct
    flow that starts from it), or high (as balanced, at full resolution)."""

    def __attrs_post_init__(self) -> None:
        if self.quality not in QUALITIES:
            raise InputError(
                f"Unknown quality {self.quality!r} of dis. Choose one of: {', '.join(QUALITIES)}."
            )


@attrs.frozen(kw_only=True)
class CoTracker3Config:
    """Options of ``cotracker3``.

    Raises:
        InputError: a value is out of range.
    """

    path: str = ""
    """The file scaled_offline.pth of facebook/cotracker3. Nothing is downloaded."""
    device: str = ""
    """Where the network runs; empty means where the frames are."""
    stride: int = 4
    """Dense motion follows every stride-th pixel of each axis and is filled in between them."""
    batch: int = 2048
    """How many points are followed at once; fewer need less memory."""
    window: int = 60
    """window_len of the network: more frames than this are followed in overlapping windows."""

    def __attrs_post_init__(self) -> None:
        _check_least("cotracker3", self, stride=1, batch=1, window=2)


@attrs.frozen(kw_only=True)
class DotConfig:
    """Options of ``dot``.

    Raises:
        InputError: a value is out of range.
    """

    path: str = ""
    """Folder with the three .pth files of 16lemoing/dot. Nothing is downloaded."""
    device: str = ""
    """Where the networks run; empty means where the frames are."""
    points: int = 8192
    """How many points are followed before the flow between them is refined; a multiple of 2048."""
    seed: int = 0
    """Which points those are."""

    def __attrs_post_init__(self) -> None:
        _check_least("dot", self, points=2048, seed=0)
        if self.points % 2048:
            raise InputError(f"dot's points must be a multiple of 2048, got {self.points!r}.")


@attrs.frozen(kw_only=True)
class GroundTruthConfig:
    """Options of ``ground-truth``: which synthetic clip it knows.

    Raises:
        InputError: a number is negative.
    """

    seed: int = 0
    """The series of the synthetic clip."""
    index: int = 0
    """Its number in the series."""
    clips: SyntheticConfig = attrs.field(factory=SyntheticConfig)
    """What the clips of the series show; the same as when the clip was made."""

    def __attrs_post_init__(self) -> None:
        _check_least("ground-truth", self, seed=0, index=0)
