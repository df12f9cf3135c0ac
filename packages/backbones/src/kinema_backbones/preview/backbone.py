"""The backbone ``preview``: a Motion rendered by warping the photo, without any weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import Controller, Detach, Guidance, Request, Site, Term, check_form
from kinema.levels import Level, Schedule
from kinema.motion.canvas import Size
from kinema.sampling import check_finite
from kinema.signals import MotionSignal
from kinema_backbones.preview.config import PreviewConfig
from kinema_backbones.preview.stage import Stage

#: Channels of the signal it reads, in order.
CHANNELS = ("dx", "dy", "depth", "layer", "cover", "attached")

#: T * H * W of the largest clip, about 64 frames of 3840x2160; the whole clip is held in memory.
MOST_PIXELS = 2**29


@attrs.frozen(eq=False)
class PreviewEmbedding:
    """One stage per photo of the batch, and how many frames each has."""

    stages: tuple[Stage, ...]
    frames: int


class Preview:
    """Warps the photo: regions are cut out and moved, what they leave is filled in.

    Latents are the pixels themselves, float32 ``(B, T, 3, H, W)`` in [0, 1]; the schedule has one
    step, which returns the rendered frames whatever the noise. All guidance terms are the same, so
    guidance changes nothing. It has no sites, and works on the CPU.
    """

    sites: tuple[Site, ...] = ()
    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, config: PreviewConfig | None = None) -> None:
        self.config = config or PreviewConfig()

    def nearest(self, size: Size, frames: int) -> tuple[Size, int]:
        """Any size and any T from 2 up, as long as the clip fits in memory: 2^29 pixels in all."""
        width, height = (max(1, side) for side in size)
        frames = max(2, frames)
        if width * height * 2 > MOST_PIXELS:
            scale = (MOST_PIXELS / (width * height * 2)) ** 0.5
            width, height = (max(1, int(side * scale)) for side in (width, height))
        return (width, height), min(frames, MOST_PIXELS // (width * height))

    def attach(self, controller: Controller) -> Detach:
        """Refuse: there is no site to act on.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"preview has no sites for the controller {type(controller).__name__} to act on; it "
            "renders the motion itself. Leave the controller out, or choose another backbone."
        )

    def embed(self, request: Request) -> Mapping[Term, PreviewEmbedding]:
        """Take each photo apart and fill what is hidden in it.

        Raises:
            InputError: the photo or the signal has another shape than the request says, or the
                signal is not one of ``layered-motion``.
        """
        check_form(self, "preview", request.size, request.frames)
        width, height = request.size
        image = _photos(request.image, width, height)
        moves = _moves(request, len(image), height, width)
        # Views: the caller holds the photo in any case.
        photos = image.movedim(1, -1).numpy()
        plates = _plates(request.plate, image)
        stages = tuple(
            Stage(photo, field, self.config.feather, self.config.attached, plate)
            for photo, field, plate in zip(photos, moves, plates, strict=True)
        )
        embedding = PreviewEmbedding(stages, request.frames)
        return dict.fromkeys(request.terms, embedding)

    def latent_shape(self, size: Size, frames: int) -> tuple[int, int, int, int]:
        """``(T, 3, H, W)``."""
        width, height = size
        return frames, 3, height, width

    def schedule(self, config: Any) -> Schedule:
        """One step, from noise alone to the frames."""
        return Schedule.exploding(torch.tensor([1.0, 0.0]))

    def guidance(self, config: Any, schedule: Schedule, frames: int) -> Guidance:
        """None: all terms are the same."""
        return Guidance.none(schedule.steps)

    def start(self, noise: Tensor, level: Level) -> Tensor:
        """The noise, of which nothing remains."""
        return noise

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Any]) -> Tensor:
        """The rendered frames ``(G, B, T, 3, H, W)``; ``latents`` and ``level`` do not matter."""
        rendered: dict[int, Tensor] = {}
        for embedding in embeddings:
            if id(embedding) not in rendered:
                rendered[id(embedding)] = _rendered(embedding, tuple(latents.shape))
        terms = [rendered[id(embedding)] for embedding in embeddings]
        if len(rendered) == 1:
            return terms[0].expand(len(terms), *terms[0].shape)
        return torch.stack(terms)

    def rendered(self, embedding: Any) -> Iterator[Tensor]:
        """The frames one by one, uint8 ``(B, 3, H, W)``; what a run asks for instead of latents."""
        for index in range(embedding.frames):
            height, width, _ = embedding.stages[0].shape
            frame = np.empty((len(embedding.stages), height, width, 3), np.uint8)
            for stage, picture in zip(embedding.stages, frame, strict=True):
                for band, part in stage.bands(index):
                    picture[band.top : band.bottom] = _levels(part, index)
            yield torch.from_numpy(frame).permute(0, 3, 1, 2)

    def pictures(self, embedding: Any) -> Iterator[Tensor]:
        """The frames one by one, float ``(B, 3, H, W)`` in [0, 1]."""
        return _frames(embedding)

    def decode(self, latents: Tensor) -> Tensor:
        """The latents, clamped to [0, 1]; what is within is not copied."""
        low, high = latents.aminmax()
        return latents if low >= 0.0 and high <= 1.0 else latents.clamp(0.0, 1.0)

    def encode(self, frames: Tensor) -> Tensor:
        """The frames themselves, in float32."""
        return frames.float()

    def choices(self, embeddings: Mapping[Term, Any]) -> Mapping[str, Any]:
        """Nothing: there is one way to render, on every machine."""
        return {}


def _levels(part: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    """Whole numbers 0 to 255 for values 0 to 1, of one frame.

    By numpy: at this size torch's threads wait for each other longer than they work.
    """
    values = np.array(part, np.float32, order="C")
    if values.size and not (np.isfinite(values.min()) and np.isfinite(values.max())):
        check_finite(torch.from_numpy(values), f"The preview gave {{found}} in frame {index}")
    np.clip(values, 0.0, 1.0, out=values)
    values *= 255
    return np.rint(values, out=values)


def _photos(image: Any, width: int, height: int) -> Tensor:
    wanted = (3, height, width)
    if not isinstance(image, Tensor) or image.ndim != 4 or tuple(image.shape[1:]) != wanted:
        shape = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise InputError(
            f"preview needs the photo as a tensor (B, 3, H, W) = (B, 3, {height}, {width}), got "
            f"{shape!r}."
        )
    return image.detach().to("cpu", torch.float32)


def _plates(plate: Tensor | None, image: Tensor) -> list[Any]:
    """What is behind each photo, ``(H, W, 3)``, or None."""
    if plate is None:
        return [None] * len(image)
    if plate.shape != image.shape:
        raise InputError(
            f"The plate has the shape {tuple(plate.shape)!r}, the photo {tuple(image.shape)!r}."
        )
    plates = plate.detach().to("cpu", torch.float32).movedim(1, -1).contiguous()
    return list(plates.numpy())


@attrs.frozen(eq=False)
class _Moves:
    """The maps of one photo, frame by frame."""

    signal: MotionSignal
    place: int | None

    def __len__(self) -> int:
        return self.signal.frames

    @property
    def size(self) -> Size:
        """(width, height)."""
        height, width = (self.signal.shape or (0, 0))[-2:]
        return width, height

    def rows(self, index: int, first: int, last: int) -> Any:
        """Some rows of the maps of one frame, ``(6, last - first, W)``."""
        maps = self.signal.rows(index, first, last)
        maps = maps if self.place is None else maps[self.place]
        return maps.detach().to("cpu", torch.float32).numpy()


def _moves(request: Request, batch: int, height: int, width: int) -> Sequence[_Moves]:
    """The signal's maps for each photo."""
    signal = request.signal
    if signal is None or tuple(signal.channels) != CHANNELS:
        got = "no signal" if signal is None else f"the channels {', '.join(signal.channels)}"
        raise InputError(
            f"preview reads the condition layered-motion ({', '.join(CHANNELS)}), got {got}."
        )
    shape = signal.shape
    wanted = (request.frames, len(CHANNELS), height, width)
    if shape is None or (shape != wanted and shape != (batch, *wanted)):
        raise InputError(
            f"The motion's maps have the shape {shape!r}, which does not fit "
            f"{batch} photos with {request.frames} frames of {width}x{height}."
        )
    each = len(shape) == 5
    return [_Moves(signal, place if each else None) for place in range(batch)]


def _frames(embedding: PreviewEmbedding) -> Iterator[Tensor]:
    """The frames ``(B, 3, H, W)``, one by one."""
    for index in range(embedding.frames):
        pictures = [torch.from_numpy(stage.frame(index)) for stage in embedding.stages]
        channels = [picture.clamp_(0.0, 1.0).movedim(-1, 0) for picture in pictures]
        yield channels[0][None] if len(channels) == 1 else torch.stack(channels)


def _rendered(embedding: PreviewEmbedding, shape: tuple[int, ...]) -> Tensor:
    batch, frames, _, height, width = shape
    if batch != len(embedding.stages) or frames != embedding.frames:
        raise InputError(
            f"preview was asked to denoise latents of the shape {shape!r}, but embedded "
            f"{len(embedding.stages)} photos with {embedding.frames} frames."
        )
    result = torch.empty(batch, frames, 3, height, width)
    for index, pictures in enumerate(_frames(embedding)):
        result[:, index] = pictures
    return result
