"""Synthetic clips for ``tools/train_tiny_flow.py``, drawn on the device that trains.

They are like those of ``examples/recipes/tiny/prepare-3.toml``: one smooth thing slides over a
background that mostly rests. Surfaces come from a bank that ``kinema_conditions.synthetic`` fills
once; outlines, ways, cameras and all that controllers are told are computed here, many clips at a
time, so that data is no bottleneck beside a GPU.
"""

from __future__ import annotations

import math
from pathlib import Path

import attrs
import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

#: Of every clip: pixels per side, frames, and pixels of its background beyond each side.
SIDE, FRAMES, MARGIN = 64, 8, 10

#: The largest box of an object, in pixels; its surface is kept in the middle of such a box.
BOX = 60

#: As in the recipe: how far things slide and the camera moves, in pixels, how often it does, and
#: the blur of surfaces.
TRAVEL, CAMERA, CAMERA_SHARE, BLUR = 0.25 * SIDE, 0.15 * SIDE, 0.2, 0.03 * SIDE

#: The bank: how many of each, and the seed they are drawn from.
BACKGROUNDS, SURFACES, BANK_SEED = 480, 1000, 31


@attrs.frozen(eq=False)
class Bank:
    """What surfaces are made of.

    Attributes:
        backgrounds: uint8 ``(N, 84, 84, 3)``.
        surfaces: uint8 ``(N, 60, 60, 3)``; the outer ones of a small box repeat its edge.
        boxes: side of each surface's own box in pixels, int64 ``(N,)``.
    """

    backgrounds: Tensor
    surfaces: Tensor
    boxes: Tensor

    @classmethod
    def read(cls, path: Path) -> Bank:
        """The bank of a file, which is made first if it is absent."""
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            safetensors.torch.save_file(attrs.asdict(draw_bank()), path)
        return cls(**safetensors.torch.load_file(path))

    def to(self, device: torch.device) -> Bank:
        """The bank on another device."""
        return Bank(*(each.to(device) for each in attrs.astuple(self, recurse=False)))


def draw_bank(backgrounds: int = BACKGROUNDS, surfaces: int = SURFACES) -> Bank:
    """Draw a bank with the textures of ``kinema_conditions.synthetic``."""
    from kinema_conditions.synthetic.textures import scenery, surface

    rng = np.random.default_rng(BANK_SEED)
    wide = SIDE + 2 * MARGIN
    found = [_smooth(scenery(rng, (2 * wide, 2 * wide), "mixed"), wide) for _ in range(backgrounds)]
    boxes = rng.integers(28, BOX + 1, surfaces) // 2 * 2
    cut = [_padded(_smooth(surface(rng, (2 * n, 2 * n), "mixed"), int(n))) for n in boxes]
    return Bank(
        torch.from_numpy(np.stack(found)),
        torch.from_numpy(np.stack(cut)),
        torch.from_numpy(boxes.astype(np.int64)),
    )


def _smooth(texture: np.ndarray, side: int) -> np.ndarray:
    import cv2

    smooth = cv2.GaussianBlur(texture, (0, 0), 2 * BLUR, borderType=cv2.BORDER_REFLECT)
    small = cv2.resize(smooth, (side, side), interpolation=cv2.INTER_AREA)
    return (np.asarray(small).clip(0, 1) * 255).round().astype(np.uint8)


def _padded(texture: np.ndarray) -> np.ndarray:
    free = (BOX - len(texture)) // 2
    return np.pad(texture, ((free, free), (free, free), (0, 0)), mode="edge")


@attrs.frozen(eq=False)
class Clips:
    """B clips and what is true about them.

    Attributes:
        frames: ``(B, T, 3, H, W)`` in [0, 1].
        moves: displacement of every pixel of frame 0, ``(B, T, 2, H, W)`` in pixels.
        visible: bool ``(B, T, H, W)``.
    """

    frames: Tensor
    moves: Tensor
    visible: Tensor

    @property
    def moving(self) -> Tensor:
        """Bool ``(B, H, W)``: pixels that go farther than one pixel, as a mean over the frames."""
        far: Tensor = self.moves.norm(dim=2).mean(1) > 1.0
        return far


@attrs.frozen(eq=False)
class _Way:
    """Turns, scales and shifts ``(B, T)`` about the middle of the picture."""

    angle: Tensor
    scale: Tensor
    shift: Tensor

    def carry(self, points: Tensor) -> Tensor:
        """Points ``(B, T or 1, h, w, 2)`` of frame 0 to each frame."""
        return self._turned(points - MIDDLE, 1) * _wide(self.scale) + MIDDLE + self._shift()

    def back(self, points: Tensor) -> Tensor:
        """Points of each frame to frame 0."""
        return self._turned((points - MIDDLE - self._shift()) / _wide(self.scale), -1) + MIDDLE

    def _shift(self) -> Tensor:
        return self.shift[:, :, None, None]

    def _turned(self, points: Tensor, sign: int) -> Tensor:
        cos, sin = self.angle.cos()[..., None, None], sign * self.angle.sin()[..., None, None]
        x, y = points.unbind(-1)
        return torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)


MIDDLE = (SIDE - 1) / 2


def _wide(numbers: Tensor) -> Tensor:
    return numbers[:, :, None, None, None]


class Renderer:
    """Draws clips from a bank.

    Args:
        bank: on the device.
        seed: of all chance.
    """

    def __init__(self, bank: Bank, seed: int) -> None:
        self.bank = bank
        self.device = bank.boxes.device
        self.generator = torch.Generator(self.device).manual_seed(seed)
        y, x = torch.meshgrid(*2 * (torch.arange(SIDE, device=self.device),), indexing="ij")
        self.grid = torch.stack([x, y], dim=-1).float()

    def rand(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform numbers."""
        drawn = torch.rand(shape, generator=self.generator, device=self.device)
        return low + (high - low) * drawn

    def pick(self, count: int, *shape: int) -> Tensor:
        """Whole numbers below ``count``."""
        return torch.randint(count, shape, generator=self.generator, device=self.device)

    @torch.no_grad()
    def clips(self, count: int) -> Clips:
        """B new clips."""
        camera, parallax = self._camera(count)
        near = _Way(camera.angle, camera.scale, camera.shift * parallax[:, None, None])
        chosen = self.pick(len(self.bank.boxes), count)
        outline = _Outline.draw(self, self.bank.boxes[chosen])
        slide = self._slide(outline.centre)[:, :, None, None]
        # Where each pixel of each frame comes from, on the background and on the object.
        behind = camera.back(self.grid[None, None])
        above = near.back(self.grid[None, None]) - slide
        cover = (outline.inside(above) + 0.5).clamp(0, 1)[:, :, None]
        ground = self._sampled(
            self.bank.backgrounds[self.pick(len(self.bank.backgrounds), count)],
            behind - MIDDLE,
        )
        thing = self._sampled(
            self.bank.surfaces[chosen], above - outline.centre[:, None, None, None]
        )
        frames = ground * (1 - cover) + thing * cover
        # And where each pixel of frame 0 goes.
        on_top = outline.inside(self.grid[None, None]) >= 0
        ground_to = camera.carry(self.grid[None, None])
        thing_to = near.carry(self.grid[None, None] + slide)
        goes = torch.where(on_top[..., None], thing_to, ground_to)
        hidden = (outline.inside(near.back(ground_to) - slide) >= 0) & ~on_top
        inside = ((goes >= 0) & (goes <= SIDE - 1)).all(-1)
        moves = (goes - self.grid).permute(0, 1, 4, 2, 3)
        return Clips((frames * 255).round() / 255, moves.contiguous(), inside & ~hidden)

    def _sampled(self, textures: Tensor, places: Tensor) -> Tensor:
        """Colours ``(B, T, 3, H, W)`` at places from the middle of textures ``(B, n, n, 3)``."""
        count, side = len(textures), textures.shape[1]
        flip = 1.0 - 2.0 * self.pick(2, count, 1, 1, 1, 2)
        grid = (places * flip * 2 / side).flatten(1, 2)
        pictures = textures.permute(0, 3, 1, 2).float() / 255
        found = F.grid_sample(
            pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )
        gains = self.rand(count, 1, 3, 1, 1, low=0.85, high=1.15)
        colours = found.unflatten(2, (-1, SIDE)).transpose(1, 2)
        pixels: Tensor = (colours * gains).clamp(0, 1)
        return pixels

    def _eased(self, count: int) -> Tensor:
        """The share of a motion that is done by each frame, ``(B, T)``: four kinds of easing."""
        t = torch.linspace(0, 1, FRAMES, device=self.device)
        kinds = torch.stack([t, t**2, 1 - (1 - t) ** 2, t * t * (3 - 2 * t)])
        return kinds[self.pick(4, count)]

    def _slide(self, centre: Tensor) -> Tensor:
        """Shifts ``(B, T, 2)`` along straight or bent ways that end well inside the picture."""
        count = len(centre)
        reach = TRAVEL * self.rand(count, 1, 1, low=0.4)
        angles = self.rand(count, 8, high=2 * math.pi)
        ends = reach * torch.stack([angles.cos(), angles.sin()], dim=-1)
        places = (centre[:, None] + ends) / SIDE
        outside = torch.maximum(0.15 - places, places - 0.85).amax(-1).clamp_min(0)
        end = ends[torch.arange(count, device=self.device), outside.argmin(1)]
        time = self._eased(count)[..., None]
        across = torch.stack([-end[:, 1], end[:, 0]], dim=-1)
        bend = self.rand(count, 1, low=-0.3, high=0.3) * across
        return time * end[:, None] + 4 * time * (1 - time) * bend[:, None]

    def _camera(self, count: int) -> tuple[_Way, Tensor]:
        """A camera for each clip, mostly at rest, and how much more near things shift ``(B,)``."""
        moved = (self.rand(count) < CAMERA_SHARE).float()
        reach = CAMERA * self.rand(count, low=0.3) * self.rand(count, low=0.35) * moved
        shares = self.rand(count, 4) * (self.rand(count, 4) < 0.4)
        shares = shares + F.one_hot(self.pick(4, count), 4)
        shares = shares / shares.sum(1, keepdim=True) * (2.0 * self.pick(2, count, 4) - 1)
        time = self._eased(count)
        across, down, grown, rolled = (shares * reach[:, None]).unbind(1)
        corner = math.hypot(MIDDLE, MIDDLE)
        way = _Way(
            angle=time * (rolled / corner)[:, None],
            scale=torch.exp(time * (grown / corner)[:, None]),
            shift=time[..., None] * torch.stack([across, down], dim=-1)[:, None],
        )
        return way, self.rand(count, low=1.0, high=2.2)


@attrs.frozen(eq=False)
class _Outline:
    """Ellipses with three waves along their radius, as ``synthetic.shapes.Blob`` has them."""

    centre: Tensor
    radii: Tensor
    angle: Tensor
    counts: Tensor
    shares: Tensor
    phases: Tensor

    @classmethod
    def draw(cls, draw: Renderer, boxes: Tensor) -> _Outline:
        """Outlines that fill boxes of these sides ``(B,)``."""
        count = len(boxes)
        counts = torch.rand(count, 5, generator=draw.generator, device=draw.device)
        counts = 2.0 + counts.argsort(1)[:, :3]
        shares = 0.02 + draw.rand(count, 3) * (0.3 / counts - 0.02)
        radius = (boxes - 4) / 2 / (1 + shares.sum(1))
        flat = draw.rand(count, low=0.65)
        return cls(
            centre=SIDE * draw.rand(count, 2, low=0.22, high=0.78),
            radii=torch.stack([radius, radius * flat], dim=-1),
            angle=draw.rand(count, high=math.pi),
            counts=counts,
            shares=shares,
            phases=draw.rand(count, 3, high=2 * math.pi),
        )

    def inside(self, points: Tensor) -> Tensor:
        """Pixels to the outline from points ``(B or 1, T or 1, H, W, 2)``, positive inside."""
        shape = (-1, 1, 1, 1)
        x, y = (points - self.centre[:, None, None, None]).unbind(-1)
        cos, sin = self.angle.cos().view(shape), self.angle.sin().view(shape)
        u = (cos * x + sin * y) / self.radii[:, 0].view(shape)
        v = (cos * y - sin * x) / self.radii[:, 1].view(shape)
        radius, phase = torch.hypot(u, v).clamp_min(1e-6), torch.atan2(v, u)
        edge = torch.ones_like(radius)
        for n in range(3):
            turn = self.counts[:, n].view(shape) * phase + self.phases[:, n].view(shape)
            edge = edge + self.shares[:, n].view(shape) * turn.sin()
        return (edge - radius) * torch.hypot(x, y).clamp_min(1e-6) / radius
