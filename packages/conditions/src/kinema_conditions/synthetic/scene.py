"""A scene of flat layers before a camera, and the exact maps between its frames.

Every layer is a plane of the world, seen by a pinhole camera and moved within what the camera at
rest would see. So the way from frame 0 to frame t is one homography per layer: a plane with the
inverse depth ``p . (x, y, 1)`` in pixels of frame 0 goes to the camera (K, R, s) by
``K (R inv(K0) + s p^T)`` (Hartley and Zisserman, Multiple View Geometry, section 13.1).
"""

from __future__ import annotations

import functools
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema.motion.canvas import Size
from kinema_conditions.synthetic.shapes import Points, Shape

Array = NDArray[np.floating[Any]]


@attrs.frozen(eq=False, kw_only=True)
class Layer:
    """One plane with a texture cut out by a shape.

    Attributes:
        name: what it is, such as ``"background"`` or ``"arm"``.
        owner: index of the object it belongs to; parts of one articulated object share it, and the
            background has -1.
        shape: its outline in frame 0; None is unbounded.
        texture: float32 ``(h, w, 3)`` RGB in [0, 1]; it repeats mirrored outside.
        to_texture: ``(3, 3)`` pixels of frame 0 to pixels of the texture.
        inverse_depth: (bx, by, a): ``1 / z = bx x + by y + a`` at pixel (x, y) of frame 0.
        motion: ``(T, 3, 3)`` pixels of frame 0 to where a resting camera would see them in frame t.
    """

    name: str
    owner: int
    shape: Shape | None
    texture: NDArray[np.float32]
    to_texture: Array
    inverse_depth: tuple[float, float, float]
    motion: Array


@attrs.frozen(eq=False, kw_only=True)
class Scene:
    """Layers, from the farthest to the nearest, and the camera of each frame.

    Attributes:
        size: (width, height).
        layers: the first one is the background and has no shape; later ones cover earlier ones.
        intrinsics: ``(T, 3, 3)`` in pixels.
        world_to_camera: ``(T, 4, 4)``.
    """

    size: Size
    layers: tuple[Layer, ...]
    intrinsics: Array
    world_to_camera: Array

    @property
    def frames(self) -> int:
        """T."""
        return len(self.intrinsics)

    @functools.cached_property
    def ways(self) -> Array:
        """Homographies ``(L, T, 3, 3)`` of each layer from frame 0 to each frame.

        The third coordinate of what they give is the depth there over the depth in frame 0.
        """
        poses = self.world_to_camera @ np.linalg.inv(self.world_to_camera[0])
        turned = poses[:, :3, :3] @ np.linalg.inv(self.intrinsics[0])
        ways = [
            self.intrinsics @ (turned + poses[:, :3, 3:] * layer.inverse_depth) @ layer.motion
            for layer in self.layers
        ]
        return np.stack(ways)

    @functools.cached_property
    def returns(self) -> Array:
        """The inverses ``(L, T, 3, 3)`` of :attr:`ways`: from each frame to frame 0."""
        return np.linalg.inv(self.ways)

    def top_layer(self, points: Points, frame: int = 0) -> NDArray[np.int64]:
        """Index of the layer seen at each of ``points`` (..., 2) of ``frame``."""
        top = np.zeros(points.shape[:-1], dtype=np.int64)
        for index in range(1, len(self.layers)):
            top[self.covers(index, points, frame)] = index
        return top

    def covers(self, layer: int, points: Points, frame: int) -> NDArray[np.bool_]:
        """Whether ``layer`` lies at each of ``points`` (..., 2) of ``frame``, seen or not."""
        shape = self.layers[layer].shape
        if shape is None:
            return np.ones(points.shape[:-1], dtype=bool)
        left, top, right, bottom = self.box(layer, frame)
        x, y = points[..., 0], points[..., 1]
        near = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        found = np.zeros(points.shape[:-1], dtype=bool)
        found[near] = shape.inside(carried(self.returns[layer, frame], points[near])) >= 0
        return found

    def box(self, layer: int, frame: int) -> Array:
        """Left, top, right and bottom of a box that holds ``layer`` in ``frame``; all for none."""
        shape = self.layers[layer].shape
        if shape is None:
            return np.array([-np.inf, -np.inf, np.inf, np.inf])
        left, top, right, bottom = shape.box()
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        places = carried(self.ways[layer, frame], corners)
        return np.concatenate([places.min(axis=0), places.max(axis=0)])

    def follow(
        self, points: Points, start: int, frame: int, top: NDArray[np.int64] | None = None
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Where what is seen at ``points`` (..., 2) of frame ``start`` is in ``frame``.

        A point's place is exact also where something covers it or it has left the picture.

        Args:
            points: pixels of frame ``start``.
            start: the frame of the points.
            frame: the frame asked for.
            top: the layer of each point, if it is known already.

        Returns:
            places ``(..., 2)`` and whether each is seen there ``(...)``.
        """
        top = self.top_layer(points, start) if top is None else top
        if frame == start:
            return points.copy(), np.ones(top.shape, dtype=bool)
        places = np.empty_like(points)
        for index in np.unique(top):
            here = top == index
            way = self.ways[index, frame] @ self.returns[index, start]
            places[here] = carried(way, points[here])
        x, y = places[..., 0], places[..., 1]
        seen = (x >= 0) & (x <= self.size[0] - 1) & (y >= 0) & (y <= self.size[1] - 1)
        for above in range(1, len(self.layers)):
            under = seen & (top < above)
            seen[under] = ~self.covers(above, places[under], frame)
        return places, seen

    def depth(self) -> Array:
        """Depth ``(H, W)`` of frame 0, along the camera's z axis."""
        grid = pixel_grid(self.size)
        top = self.top_layer(grid)
        planes = np.array([layer.inverse_depth for layer in self.layers])[top]
        depth: Array = 1.0 / ((planes[..., :2] * grid).sum(-1) + planes[..., 2])
        return depth


def carried(way: Array, points: Points) -> Points:
    """``points`` (..., 2) through the homography ``way`` (3, 3)."""
    x, y = points[..., 0], points[..., 1]
    rows = [row[0] * x + row[1] * y + row[2] for row in way]
    return np.stack([rows[0] / rows[2], rows[1] / rows[2]], axis=-1)


def pixel_grid(size: Size) -> Points:
    """Coordinates ``(H, W, 2)`` of the pixels of a canvas."""
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float64), np.arange(size[1], dtype=np.float64))
    return np.stack([x, y], axis=-1)
