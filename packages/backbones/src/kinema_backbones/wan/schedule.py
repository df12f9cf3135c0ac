"""Levels that know on the host which expert they are for, so that nothing waits for the device."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from kinema.levels import Level, Schedule


@attrs.frozen(eq=False)
class PlannedLevel(Level):
    """A level of a schedule.

    Attributes:
        strong: whether the expert of strong noise is at work.
        ends: whether the clean latents come next.
        at: what the network is told of it, as a number.
    """

    strong: bool = True
    ends: bool = False
    at: float = 0.0

    def to(self, device: torch.device | str) -> PlannedLevel:
        """The same level on another device."""
        moved = Level(self.alpha, self.sigma, self.time).to(device)
        return PlannedLevel(moved.alpha, moved.sigma, moved.time, self.strong, self.ends, self.at)


@attrs.frozen(eq=False)
class PlannedSchedule(Schedule):
    """A schedule of flow matching whose levels are :class:`PlannedLevel`.

    Attributes:
        strong: of each level, whether the expert of strong noise is at work.
        at: of each level, what the network is told of it, as a number.
    """

    strong: tuple[bool, ...] = ()
    at: tuple[float, ...] = ()

    @classmethod
    def of(cls, schedule: Schedule, boundary: float | None, times: Tensor) -> PlannedSchedule:
        """A schedule whose levels of a time of at least ``boundary`` are for strong noise."""
        at = tuple(times.tolist())
        strong = tuple(boundary is None or time >= boundary for time in at)
        return cls(schedule.alphas, schedule.sigmas, schedule.times, strong, at)

    def __getitem__(self, index: int) -> PlannedLevel:
        """Level ``index``; S is the clean one."""
        level = Schedule.__getitem__(self, index)
        ends = index == self.steps - 1
        strong, at = self.strong[index], self.at[index]
        return PlannedLevel(level.alpha, level.sigma, level.time, strong, ends, at)

    def to(self, device: torch.device | str) -> PlannedSchedule:
        """The same schedule on another device."""
        moved = Schedule(self.alphas, self.sigmas, self.times).to(device)
        return PlannedSchedule(moved.alphas, moved.sigmas, moved.times, self.strong, self.at)
