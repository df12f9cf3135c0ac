"""The maps of ``layered-motion``, made a few frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import torch
from torch import Tensor

from kinema.motion.camera import CameraPath
from kinema.motion.canvas import Size
from kinema_conditions.deformation import DENSE, Field, grid_over, sampled, spacing
from kinema_conditions.inside import sides_of, viewed, views_inside

#: Bytes of maps that are made and kept at once, unless one frame alone has more.
KEPT = 2**26

#: Pixels whose displacement is computed at once.
PART = 8_192

#: Points projected at once; below what torch divides among threads, which costs more than it gains.
PROJECTED = 16_384


@attrs.frozen(eq=False)
class Mover:
    """What moves one layer.

    Attributes:
        layer: its number.
        controls: how many control points it has.
        field: the field of some of the frames.
    """

    layer: int
    controls: int
    field: Callable[[slice], Field]


@attrs.frozen(eq=False)
class Lens:
    """Where a camera path takes pixels of known depth.

    Attributes:
        turns, shifts: of each frame an affine map of (x depth, y depth, depth): ``(T, 3, 3)`` and
            ``(T, 3)``, a pose and both intrinsics in one.
        depth: ``(H * W,)`` in the photo.
        bound: pixels that a displacement has at most.
    """

    turns: Tensor
    shifts: Tensor
    depth: Tensor
    bound: float

    @classmethod
    def of(cls, camera: CameraPath, depth: Tensor, frames: int, canvas: Size) -> Lens:
        """The same projection as in ``kinema_conditions.camera``; ``depth`` is (H, W)."""
        # Geometry libraries take seconds to import, and drags alone need none of them.
        from kinema_conditions.camera import camera_frames

        intrinsics, poses = camera_frames(camera, frames, canvas, float(depth.median()))
        seen = poses @ torch.linalg.inv(poses[0])
        turns = intrinsics @ seen[:, :3, :3] @ torch.linalg.inv(intrinsics[0])
        shifts = (intrinsics @ seen[:, :3, 3:])[..., 0]
        # Content at or behind the camera lands anywhere; it only has to stay a number.
        return cls(turns, shifts, depth.flatten(), 4.0 * max(canvas))

    def project(self, maps: Tensor, frames: slice, width: int, offset: int = 0) -> None:
        """Take the moved pixels on: fills dx, dy and depth of ``maps`` (t, 6, M).

        They are of the M pixels from ``offset`` on. In parts that stay in the processor's cache: a
        video has millions of points.
        """
        turn, shift = self.turns[frames].unbind(1), self.shifts[frames].unbind(1)
        size = PROJECTED // len(maps) + 1
        for first in range(0, maps.shape[-1], size):
            part = slice(first, min(first + size, maps.shape[-1]))
            near = self.depth[part.start + offset : part.stop + offset].double()
            start = _places(torch.arange(part.start + offset, part.stop + offset), width).T
            x, y = (maps[:, axis, part].double().add_(start[axis]).mul_(near) for axis in (0, 1))
            rows = [
                x * row[:, 0, None] + y * row[:, 1, None] + near * row[:, 2, None] + moved[:, None]
                for row, moved in zip(turn, shift, strict=True)
            ]
            z = rows[2]
            for axis in (0, 1):
                moved = rows[axis] / z - start[axis]
                moved = torch.nan_to_num_(moved, 0.0, self.bound, -self.bound)
                maps[:, axis, part] = moved.clamp_(-self.bound, self.bound).to(maps.dtype)
            maps[:, 2, part] = z.to(maps.dtype)


class LayeredMaps:
    """Maps ``(T, 6, H, W)``: dx, dy, depth, layer, cover and attached.

    Args:
        frames: T.
        layers: ``(H, W)`` numbers.
        cover: ``(H, W)``.
        attached: ``(L + 1,)`` of the layers.
        movers: of the layers that move.
        lens: of the camera path, if there is one.
        seen: bool ``(T, L + 1)``, which layers are seen in which frame.
    """

    def __init__(
        self,
        frames: int,
        layers: Tensor,
        cover: Tensor,
        attached: Tensor,
        movers: Sequence[Mover],
        lens: Lens | None,
        seen: Tensor,
    ) -> None:
        self._layers, self._cover = _narrow(layers).contiguous(), cover
        self._attached = attached
        self._movers = [mover for mover in movers if bool((layers == mover.layer).any())]
        self._grids = [self._grid(layers, mover) for mover in self._movers]
        self._made: tuple[tuple[int, int], list[Field]] = (-1, -1), []
        self._lens = lens
        self._seen = seen
        height, width = layers.shape
        self._size = max(1, min(frames, KEPT // (24 * height * width)))
        self._shape = (frames, 6, height, width)
        self._first, self._kept = 0, torch.empty(0)
        self._views: Tensor | None = None

    def stay_inside(self) -> float:
        """Zoom in until nothing beyond the sides of the photo is in view; by how much at most."""
        frames, _, height, width = self._shape
        step = max(1, KEPT // (24 * width))
        parts = [slice(first, min(first + step, height)) for first in range(0, height, step)]
        views = views_inside(
            lambda index: sides_of(self.rows(index, part.start, part.stop) for part in parts),
            frames,
            (width, height),
        )
        self._kept = torch.empty(0)
        self._views = views
        return float(views[-1, 0])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, 6, H, W)``."""
        return self._shape

    @property
    def small(self) -> bool:
        """Whether all of them are made at once."""
        return self._size >= self._shape[0]

    def frame(self, index: int) -> Tensor:
        """The maps of one frame, ``(6, H, W)``."""
        if self._size == 1:
            return self.some(slice(index, index + 1))[0]
        if not self._first <= index < self._first + len(self._kept):
            self._kept = torch.empty(0)
            self._first = index - index % self._size
            self._kept = self.some(
                slice(self._first, min(self._first + self._size, self._shape[0]))
            )
        return self._kept[index - self._first]

    def rows(self, index: int, first: int, last: int) -> Tensor:
        """Some rows of the maps of one frame, ``(6, last - first, W)``."""
        if self._size > 1:
            return self.frame(index)[:, first:last]
        return self.some(slice(index, index + 1), slice(first, last))[0]

    def some(self, frames: slice, rows: slice | None = None) -> Tensor:
        """The maps of these frames, ``(t, 6, H, W)``, or of some rows of them."""
        count, (_, _, height, width) = frames.stop - frames.start, self._shape
        rows = rows or slice(0, height)
        layers = self._layers[rows]
        maps = torch.ones(count, 6, len(layers), width)
        maps[:, :2] = 0.0
        maps[:, 3], maps[:, 4] = layers, self._cover[rows]
        maps[:, 5] = self._attached[layers.int()] if bool(self._attached.any()) else 0.0
        flat = maps.view(count, 6, -1)
        for mover, field in zip(self._movers, self._fields(frames), strict=True):
            self._move(flat, mover.layer, field, rows.start * width)
        if self._lens is not None:
            self._lens.project(flat, frames, width, rows.start * width)
        if self._views is not None:
            viewed(maps, self._views[frames], height, rows.start)
        seen = self._seen[frames]
        for layer in (~seen).any(0).nonzero()[:, 0].tolist():
            own = layers == layer
            for index in (~seen[:, layer]).nonzero()[:, 0].tolist():
                maps[index, 2][own] = 0.0
        if frames.start == 0:
            maps[0, :2] = 0.0
        return maps

    def _move(self, flat: Tensor, layer: int, field: Field, offset: int) -> None:
        """Fill dx and dy of a layer in ``flat`` (t, 6, M), which begins at the pixel ``offset``.

        Its parts are those of the whole picture, so that rows alone get the same numbers.
        """
        numbers, width = self._layers.view(-1), self._shape[-1]
        end = offset + flat.shape[-1]
        for first in range(offset - offset % PART, end, PART):
            index = (numbers[first : first + PART] == layer).nonzero()[:, 0] + first
            mine = (index >= offset) & (index < end)
            if bool(mine.any()):
                moved = field(_places(index, width)).movedim(-1, 1)
                flat[:, :2, index[mine] - offset] = moved[:, :, mine]

    def _fields(self, frames: slice) -> list[Field]:
        """What moves each of the layers in some frames."""
        key = frames.start, frames.stop
        if self._made[0] != key:
            made = [
                mover.field(frames) if grid is None else sampled(mover.field(frames), grid)
                for mover, grid in zip(self._movers, self._grids, strict=True)
            ]
            self._made = key, made
        return self._made[1]

    @staticmethod
    def _grid(layers: Tensor, mover: Mover) -> Tensor | None:
        """Where a field of very many control points is evaluated; None is in every pixel."""
        mine = layers == mover.layer
        step = spacing(int(mine.sum()), mover.controls, DENSE)
        if step == 1:
            return None
        rows, columns = mine.any(1).nonzero()[:, 0], mine.any(0).nonzero()[:, 0]
        corners = [[columns[0], rows[0]], [columns[-1], rows[-1]]]
        return grid_over(torch.tensor(corners).float(), step)


def _narrow(layers: Tensor) -> Tensor:
    """Numbers of layers in as few bytes as hold them."""
    return layers.to(torch.uint8 if int(layers.max()) < 256 else torch.int32)


def _places(index: Tensor, width: int) -> Tensor:
    """Pixel coordinates (K, 2) of flat indices (K,), x before y."""
    return torch.stack([index % width, index // width], dim=-1).float()
