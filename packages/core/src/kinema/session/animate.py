"""One video with one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from kinema.media.video import Video
from kinema.motion.motion import Motion
from kinema.session.options import SessionOptions
from kinema.session.session import Cancel, OnProgress, Session


def animate(
    photo: Any,
    motion: Motion,
    backbone: str | None = None,
    *,
    prompt: str = "",
    negative_prompt: str | None = None,
    last_image: Any = None,
    references: Sequence[Any] = (),
    plate: Any = None,
    size: Any = None,
    frames: int | None = None,
    fps: float | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    cancel: Cancel | None = None,
    **session: Unpack[SessionOptions],
) -> Video:
    """Make one video: a :class:`Session` of one call.

    ``session`` takes the options of :class:`Session`; the rest is as in :meth:`Session.animate`.
    """
    with Session(backbone, **session) as opened:
        return opened.animate(
            photo,
            motion,
            prompt=prompt,
            negative_prompt=negative_prompt,
            last_image=last_image,
            references=references,
            plate=plate,
            size=size,
            frames=frames,
            fps=fps,
            seed=seed,
            on_progress=on_progress,
            cancel=cancel,
        )
