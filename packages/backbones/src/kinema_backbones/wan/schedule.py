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
    """

    strong: bool = True
    ends: bool = False

    def to(self, device: torch.device | str) -> PlannedLevel:
        """The same level on another device."""
        moved = Level(self.alpha, self.sigma, self.time).to(device)
        return PlannedLevel(moved.alpha, moved.sigma, moved.time, self.strong, self.ends)


@attrs.frozen(eq=False)
class PlannedSchedule(Schedule):
    """A schedule of flow matching whose levels are :class:`PlannedLevel`.

    Attributes:
        strong: of each level, whether the expert of strong noise is at work.
    """

    strong: tuple[bool, ...] = ()

    @classmethod
    def of(cls, schedule: Schedule, boundary: float | None, times: Tensor) -> PlannedSchedule:
        """A schedule whose levels of a time of at least ``boundary`` are for strong noise."""
        strong = [boundary is None or time >= boundary for time in times.tolist()]
        return cls(schedule.alphas, schedule.sigmas, schedule.times, tuple(strong))

    def __getitem__(self, index: int) -> PlannedLevel:
        """Level ``index``; S is the clean one."""
        level = Schedule.__getitem__(self, index)
        ends = index == self.steps - 1
        return PlannedLevel(level.alpha, level.sigma, level.time, self.strong[index], ends)

    def to(self, device: torch.device | str) -> PlannedSchedule:
        """The same schedule on another device."""
        moved = Schedule(self.alphas, self.sigmas, self.times).to(device)
        return PlannedSchedule(moved.alphas, moved.sigmas, moved.times, self.strong)
