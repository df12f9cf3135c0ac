"""Outlines of cut-out objects, as functions that say how far inside a point lies."""

from __future__ import annotations

from typing import Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

#: Coordinates (..., 2), or numbers about them.
Points = NDArray[np.floating[Any]]


class Shape(Protocol):
    """An outline in pixels of frame 0's canvas."""

    def inside(self, points: Points) -> Points:
        """Pixels from each of ``points`` (..., 2) to the outline, positive inside; ``(...)``."""

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a box that holds the shape."""


@attrs.frozen(kw_only=True)
class Blob:
    """A closed curve around a centre: an ellipse with waves along its radius.

    Attributes:
        centre: (x, y).
        radii: half axes (a, b) of the ellipse.
        angle: of its first axis, in radians, clockwise on screen.
        waves: (count, share of the radius, phase) of each wave; the shares sum to less than 1.
    """

    centre: tuple[float, float]
    radii: tuple[float, float]
    angle: float = 0.0
    waves: tuple[tuple[int, float, float], ...] = ()

    def inside(self, points: Points) -> Points:
        """Pixels to the outline along the ray from the centre."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        x, y = points[..., 0] - self.centre[0], points[..., 1] - self.centre[1]
        u = (cos * x + sin * y) / self.radii[0]
        v = (cos * y - sin * x) / self.radii[1]
        radius, phase = np.hypot(u, v), np.arctan2(v, u)
        edge = np.ones_like(radius)
        for count, share, start in self.waves:
            edge = edge + share * np.sin(count * phase + start)
        tiny = radius < 1e-9
        pixels = np.where(tiny, min(self.radii), np.hypot(x, y) / np.where(tiny, 1.0, radius))
        result: Points = (edge - radius) * pixels
        return result

    def box(self) -> tuple[float, float, float, float]:
        """A square about the centre."""
        reach = max(self.radii) * (1 + sum(abs(share) for _, share, _ in self.waves))
        x, y = self.centre
        return x - reach, y - reach, x + reach, y + reach


@attrs.frozen(kw_only=True)
class Limb:
    """A stroke from one point to another with round ends: an arm, a leg, a tail.

    Attributes:
        start: (x, y) of the joint.
        end: (x, y).
        widths: radius at the start and at the end.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    widths: tuple[float, float]

    def inside(self, points: Points) -> Points:
        """Pixels to the outline, taking the width where the point falls on the axis."""
        start, end = np.array(self.start), np.array(self.end)
        axis = end - start
        along = ((points - start) @ axis / max(float(axis @ axis), 1e-12)).clip(0, 1)
        away = np.linalg.norm(points - start - along[..., None] * axis, axis=-1)
        width = self.widths[0] + (self.widths[1] - self.widths[0]) * along
        result: Points = width - away
        return result

    def box(self) -> tuple[float, float, float, float]:
        """The box of both ends, as wide as the wider of them."""
        reach = max(self.widths)
        (x0, y0), (x1, y1) = self.start, self.end
        return min(x0, x1) - reach, min(y0, y1) - reach, max(x0, x1) + reach, max(y0, y1) + reach
