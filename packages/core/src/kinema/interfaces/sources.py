"""What sources of training clips must do; plugins import it from :mod:`kinema.interfaces`.

Shapes as there: ``T`` frames, ``H W`` pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import attrs
from torch import Tensor

from kinema.motion.canvas import Size
from kinema.signals import Observation


@attrs.frozen(kw_only=True)
class ClipForm:
    """The form in which clips are asked for.

    Attributes:
        size: (width, height) in pixels.
        frames: T.
        fps: frames per second.
    """

    size: Size
    frames: int
    fps: float


@attrs.frozen(kw_only=True)
class ClipItem:
    """One clip of a source: small, picklable, and known without decoding it.

    Attributes:
        key: its name, the same at every listing and in no other clip of the source.
        place: where the source finds it, plain data such as a path and a start in seconds.
    """

    key: str
    place: tuple[str | int | float, ...] = ()


@attrs.frozen(eq=False, kw_only=True)
class RawClip:
    """A clip as its source gives it.

    Attributes:
        frames: uint8 RGB ``(T, H, W, 3)`` of the form that was asked for.
        caption: what is to be seen, or empty.
        licence: under which it may be used, or empty.
        source: where it comes from, for people.
        source_sha256: hex digest of the file it was cut from, or empty.
        observation: its motion, where the source knows it; a tracker is asked otherwise.
        fault: why nothing can be learned from it, such as ``scene cut``; empty if nothing
            speaks against it.
    """

    frames: Tensor
    caption: str = ""
    licence: str = ""
    source: str = ""
    source_sha256: str = ""
    observation: Observation | None = None
    fault: str = ""


@runtime_checkable
class ClipSource(Protocol):
    """A place that training clips come from. Reading is a pure function of the item.

    A source may have ``notes``, texts that a preparation's report tells: what ``items`` left aside.
    """

    def items(self, form: ClipForm) -> Sequence[ClipItem]:
        """Every clip, in an order that stays; a clip that turns out unreadable may be among them.

        Raises InputError if there is nothing to read from.
        """

    def read(self, item: ClipItem, form: ClipForm) -> RawClip:
        """One clip. Raises InputError if it cannot be read, which drops this clip alone."""
