"""What ``prepare`` is asked to do. Plain data: nothing here loads torch."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tomllib
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from kinema.errors import InputError
from kinema.files import read_text
from kinema.motion.canvas import Size, as_size, check_extent
from kinema.offers import BACKBONE, CLIP_SOURCE, TRACKER, BackboneOffer, Kind, Offer

#: The kinds of offer that preparation builds, under the names of :attr:`PrepareConfig.options`.
ROLES: Mapping[str, Kind[Offer, Any]] = {
    "source": CLIP_SOURCE,
    "tracker": TRACKER,
    "backbone": BACKBONE,
}

#: A shard of more clips, which are held until it is written, is a slip of the keyboard.
MOST_CLIPS = 10_000

#: How often a shard is tried that was being made when a worker was lost.
TRIES = 2

Engine = Literal["local", "ray"]


def _as_size(size: Any) -> Size | None:
    return None if size is None else as_size(size, "The size")


@attrs.frozen(kw_only=True)
class Limits:
    """What a clip must be like to be kept.

    Raises:
        InputError: a value is out of range.
    """

    least_motion: float = 0.005
    """Below it a clip is ``static``: the displacement that a twentieth of its pixels surpass, at
    the frame where it is largest, in widths of the canvas."""
    most_motion: float = 1.0
    """Above it a clip is ``erratic``; measured alike."""
    least_visible: float = 0.3
    """Below it a clip is ``too little visible``: the share of the first frame's pixels seen in
    another frame, on average."""
    least_contrast: float = 4.0
    """Below it a clip is ``blank``: the standard deviation of its first frame, in grey levels."""

    def __attrs_post_init__(self) -> None:
        for name, value in attrs.asdict(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"The limit {name} must be a number from 0 up, got {value!r}.")
        if self.least_motion > self.most_motion or self.least_visible > 1:
            raise InputError(
                f"Limits need least_motion <= most_motion and least_visible <= 1; got "
                f"{self.least_motion!r}, {self.most_motion!r} and {self.least_visible!r}."
            )


@attrs.frozen(kw_only=True)
class PrepareConfig:
    """A whole preparation; a recipe in TOML has the same keys.

    Raises:
        InputError: a value is out of range.
    """

    source: str
    """Name of the clip source."""
    out: str
    """Folder of the shards."""
    backbone: str
    """Name of the backbone whose latents are kept."""
    tracker: str = ""
    """Name of the tracker; empty takes the one that is the default where it is installed. It is not
    asked for clips that bring their motion."""
    size: Size | None = attrs.field(default=None, converter=_as_size)
    """(width, height) of the clips; videos are resized to cover it and cropped at the centre. Unset
    takes the backbone's native one, as frames and fps do."""
    frames: int | None = None
    """T, frames of a clip."""
    fps: float | None = None
    """Frames per second of a clip."""
    options: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    """Options of the ``source``, the ``tracker`` and the ``backbone``."""
    limits: Limits = attrs.field(factory=Limits)
    """What a clip must be like to be kept."""
    reduction: int = 0
    """Pixels of the canvas per pixel of the stored displacement; 0 takes 4, or 2 where the short
    side has fewer than 128 pixels."""
    shard: int = 64
    """Clips of the source per shard, those dropped later included."""
    engine: Engine = "local"
    """local (processes of this machine) or ray (a Ray cluster, or a local Ray)."""
    workers: int = 0
    """Processes; 0 takes one per CPU core, or one where the backbone runs on a GPU."""
    device: str = "auto"
    """Where backbone and tracker run: cuda, mps, cpu or auto."""

    def __attrs_post_init__(self) -> None:
        unknown = sorted(set(self.options) - set(ROLES))
        if unknown:
            raise InputError(
                f"Options are given for {', '.join(map(repr, unknown))}; choose out of: "
                f"{', '.join(ROLES)}."
            )
        frames = 2 if self.frames is None else self.frames
        if frames < 2 or self.shard < 1 or self.workers < 0 or self.reduction < 0:
            raise InputError(
                f"A preparation needs frames of at least 2, shard of at least 1, and workers and "
                f"reduction of at least 0; got {frames!r}, {self.shard!r}, {self.workers!r} and "
                f"{self.reduction!r}."
            )
        if self.size is not None:
            check_extent(self.size, frames)
        if self.shard > MOST_CLIPS or self.workers > MOST_CLIPS:
            raise InputError(
                f"A preparation has at most {MOST_CLIPS} clips per shard and as many workers; got "
                f"{self.shard!r} and {self.workers!r}."
            )
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"fps of clips must be positive, got {self.fps!r}.")
        if self.engine not in ("local", "ray"):
            raise InputError(f"Unknown engine {self.engine!r}. Choose one of: local, ray.")

    def native(self, offer: BackboneOffer) -> PrepareConfig:
        """The same, with the backbone's native form where none was named.

        Raises:
            InputError: it has none.
        """
        given = {"size": self.size, "frames": self.frames, "fps": self.fps}
        open_ = [name for name, value in given.items() if value is None]
        if not open_:
            return self
        if offer.native is None:
            raise InputError(
                f"The backbone {offer.name!r} has no native form, so a preparation for it must "
                f"name {' and '.join(open_)}."
            )
        return attrs.evolve(self, **{name: getattr(offer.native, name) for name in open_})

    @property
    def form(self) -> tuple[Size, int, float]:
        """Size, T and frames per second of the clips, once they are chosen."""
        assert self.size is not None
        assert self.frames is not None
        assert self.fps is not None
        return self.size, self.frames, self.fps

    @property
    def grid(self) -> int:
        """The reduction, chosen."""
        return self.reduction or (2 if min(self.form[0]) < 128 else 4)

    def of(self, role: str) -> dict[str, Any]:
        """The options of the source, the tracker or the backbone."""
        return dict(self.options.get(role, {}))

    def what(self) -> dict[str, Any]:
        """All that decides what the shards hold, and nothing about how and where they are made."""
        plain = attrs.asdict(self)
        for name in ("out", "engine", "workers", "device"):
            del plain[name]
        found: dict[str, Any] = json.loads(json.dumps({**plain, "reduction": self.grid}))
        return found


def digest(plain: Any) -> str:
    """Hex sha256 of plain data."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def read_recipe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The tables of a recipe in TOML.

    Raises:
        InputError: it is absent or no TOML.
    """
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        raise InputError(
            f"The recipe {str(path)!r} cannot be read: {error.strerror or error}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"The recipe {str(path)!r} is no TOML: {error}.") from None
