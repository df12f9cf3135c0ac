"""The stages from a source's clip to a packed one, as plain functions.

Every engine runs these same functions. A clip that cannot be used raises :class:`Dropped`.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from kinema.clips.clip import Clip
from kinema.clips.preparation.config import Limits
from kinema.clips.reduction import motion_length, reduce_observation
from kinema.errors import InputError, KinemaError
from kinema.interfaces import Backbone, ClipForm, ClipItem, ClipSource, RawClip, Tracker, Trainable
from kinema.signals import Observation

#: The share of pixels that the measure of motion leaves out at the top.
FASTEST = 0.05

#: Pixels that the measure of motion looks at, at most; a quantile needs no more.
MOST_SAMPLES = 20_000


#: Errors that tell of the disk or the network, and nothing of what a file holds.
_GONE = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENODEV,
        errno.ENXIO,
        errno.ENOTCONN,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EMFILE,
        errno.ENFILE,
    }
)


#: Errors that tell of one file's rights, which somebody may change.
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})

#: Why a clip is dropped that was never read; the next run tries it again.
UNREADABLE = "unreadable"


class Dropped(Exception):
    """A clip is not used.

    Attributes:
        reason: one of a few words that are counted, such as ``static``.
        detail: what exactly, for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def read(source: ClipSource, item: ClipItem, form: ClipForm) -> RawClip:
    """Ask the source for the clip.

    Raises:
        Dropped: it was read and is ``broken``, it may not be read (``unreadable``), or the source
            says what speaks against it.
        KinemaError: it could not be read at all, as where a disk was lost.
    """
    try:
        raw = source.read(item, form)
    except (InputError, OSError) as error:
        if _cause(error, _FORBIDDEN):
            raise Dropped(UNREADABLE, _told(error)) from None
        lost = str(error) if isinstance(error, OSError) else _lost(error, source)
        if lost:
            raise KinemaError(
                f"The clip {item.key!r} could not be read, since its source is gone: {lost}. "
                "Finished shards stay; run the same again when it is back."
            ) from error
        raise Dropped("broken", _told(error)) from None
    if raw.fault:
        raise Dropped(raw.fault)
    for name in ("caption", "licence", "source"):
        _check_text(name, getattr(raw, name))
    expected = (form.frames, form.size[1], form.size[0], 3)
    if tuple(raw.frames.shape) != expected or raw.frames.dtype != torch.uint8:
        raise Dropped(
            "broken",
            f"The source gave {tuple(raw.frames.shape)!r} of {raw.frames.dtype} instead of "
            f"{expected!r} of torch.uint8.",
        )
    return raw


def _check_text(name: str, text: str) -> None:
    """Refuse a text that a shard cannot hold.

    Raises:
        Dropped: it is ``broken``.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Dropped(
            "broken",
            f"Its {name} holds half a character (U+{ord(text[error.start]):04X}), which is no "
            "text.",
        ) from None


def _lost(error: BaseException, source: ClipSource) -> str:
    """Why a source could not be read, if not for what it holds; empty if it could."""
    folder = getattr(source, "folder", None)
    if isinstance(folder, Path) and not folder.exists():
        return f"there is no {str(folder)!r}"
    return str(_cause(error, _GONE) or "")


def _cause(error: BaseException, numbers: frozenset[int]) -> OSError | None:
    """The error of the system, of one of these numbers, that led to an error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in numbers:
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _told(error: Exception) -> str:
    """What of an error can be kept: names of files may hold what is no text."""
    return str(error).encode("utf-8", "backslashreplace").decode()


def glance(raw: RawClip, limits: Limits) -> None:
    """Look at what is cheap to see before time goes into tracking.

    Raises:
        Dropped: the clip is ``blank``, or ``static`` to the bit.
    """
    contrast = float(raw.frames[0].float().std())
    if contrast < limits.least_contrast:
        raise Dropped("blank", f"The first frame varies by {contrast:.2f} grey levels.")
    if limits.least_motion > 0 and bool((raw.frames == raw.frames[:1]).all()):
        raise Dropped("static", "All frames are the same.")


def track(raw: RawClip, tracker: Tracker | None) -> Observation:
    """The clip's own observation, or what the tracker sees.

    Raises:
        Dropped: the tracker refuses it.
    """
    if raw.observation is not None:
        return raw.observation
    assert tracker is not None
    try:
        return tracker.observe(raw.frames)
    except InputError as error:
        raise Dropped("broken", str(error)) from None


def fastest_motion(observation: Observation) -> float:
    """The displacement in pixels that :data:`FASTEST` of the pixels surpass, at its largest."""
    moved = observation.displacement.flatten(1, 2)
    step = max(1, moved.shape[1] // MOST_SAMPLES)
    return float(moved[:, ::step].norm(dim=-1).quantile(1 - FASTEST, dim=1).max())


def visible_share(observation: Observation) -> float:
    """The share of the first frame's pixels that are seen in another frame, on average."""
    return float(observation.visible[1:].float().mean())


def judge(observation: Observation, size: tuple[int, int], limits: Limits) -> None:
    """Hold the motion against the limits.

    Raises:
        Dropped: it is ``static``, ``erratic`` or ``too little visible``.
    """
    motion = fastest_motion(observation) / size[0]
    visible = visible_share(observation)
    if motion < limits.least_motion:
        raise Dropped("static", f"It moves by {motion:.4f} widths.")
    if motion > limits.most_motion:
        raise Dropped("erratic", f"It moves by {motion:.2f} widths.")
    if visible < limits.least_visible:
        raise Dropped("too little visible", f"A share of {visible:.2f} stays visible.")


@torch.no_grad()
def encode(raw: RawClip, key: str, backbone: Backbone) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Latents ``(T', C, h, w)`` and the cacheable encodings of the first frame, unbatched."""
    frames = raw.frames.movedim(-1, 1)[None].to(backbone.device).float() / 255
    cached: Mapping[str, Tensor] = {}
    # Were a backbone to draw from the global generator, the result would still be the same again.
    with torch.random.fork_rng():
        torch.manual_seed(int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "big"))
        latents = backbone.encode(frames)[0]
        if isinstance(backbone, Trainable):
            cached = backbone.encodings(frames[:, 0], [raw.caption], frames.shape[1])
    return latents.cpu(), {name: value[0].cpu() for name, value in cached.items()}


def pack(
    raw: RawClip,
    key: str,
    form: ClipForm,
    observation: Observation,
    encoded: tuple[Tensor, Mapping[str, Tensor]],
    reduction: int,
) -> Clip:
    """The clip as training reads it.

    Raises:
        Dropped: it is ``erratic`` beyond what can be stored.
        KinemaError: the backbone's numbers are not finite in float16.
    """
    latents, encodings = encoded
    if not bool(torch.isfinite(latents.half()).all()):
        raise KinemaError(
            f"The backbone made latents of {key!r} that are not finite in float16. Choose another "
            "dtype for it."
        )
    try:
        reduced = reduce_observation(observation, reduction)
    except InputError as error:
        raise Dropped("erratic", str(error)) from None
    return Clip(
        id=key,
        latents=latents.half(),
        encodings=encodings,
        first_frame=raw.frames[0].movedim(-1, 0).contiguous(),
        displacement=reduced.displacement,
        visible=reduced.visible,
        reduction=reduction,
        fps=form.fps,
        motion_length=motion_length(observation),
        caption=raw.caption,
        source=raw.source,
        source_sha256=raw.source_sha256,
        licence=raw.licence,
    )
