"""Several controllers as one: in a given order, and no two at one site unless both allow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
from torch import Tensor, nn

from kinema.errors import InputError
from kinema.interfaces import (
    Action,
    Actions,
    Adapter,
    BringsAdapters,
    Condition,
    Controller,
    FitsSites,
    Scene,
    SharesSites,
    Site,
    Step,
    StepAction,
)
from kinema.levels import Schedule
from kinema.session.parts import Part
from kinema.signals import MotionSignal


@attrs.frozen(eq=False, kw_only=True)
class Guide:
    """A controller and the conditions that feed it, in channel order."""

    controller: Part[Controller]
    control: Sequence[Part[Condition]] = ()


class Together(nn.Module):
    """What a backbone is given to attach: the sites and LoRA of all controllers.

    Args:
        controllers: in the order in which they act.
    """

    def __init__(self, controllers: Sequence[Controller]) -> None:
        super().__init__()
        self.controllers = tuple(controllers)
        modules = [each for each in controllers if isinstance(each, nn.Module)]
        self.trained = nn.ModuleList(modules)

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """Of all, in order."""
        carriers = [each for each in self.controllers if isinstance(each, BringsAdapters)]
        return tuple(adapter for each in carriers for adapter in each.adapters)

    def prepare(self, sites: Sequence[Site]) -> None:
        """Let each build itself for these sites, or check that they fit."""
        for each in self.controllers:
            if isinstance(each, FitsSites):
                each.prepare(sites)

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene]
    ) -> Actions:
        """None: each of them is asked by itself, with its own signal.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("Each controller is asked for its actions by itself.")


def merged(parts: Sequence[Part[Controller]], actions: Sequence[Actions]) -> dict[str, Action]:
    """The actions of several controllers, one per site, in order.

    Raises:
        InputError: two act at one site, and not both say that they may.
    """
    made: dict[str, Action] = {}
    owners: dict[str, list[Part[Controller]]] = {}
    for part, acts in zip(parts, actions, strict=True):
        for site, action in acts.items():
            for other in owners.get(site, []):
                _check_shared(other, part, site)
            owners.setdefault(site, []).append(part)
            made[site] = _after(made[site], action) if site in made else action
    return made


def _check_shared(first: Part[Controller], second: Part[Controller], site: str) -> None:
    refusing = [part.name for part in (first, second) if site not in _shares(part.built)]
    if refusing:
        raise InputError(
            f"The controllers {first.name!r} and {second.name!r} both act at the site {site!r}, "
            f"and {' and '.join(map(repr, refusing))} cannot share it. Leave one of them out."
        )


def _shares(controller: Controller) -> Sequence[str]:
    return controller.shares if isinstance(controller, SharesSites) else ()


def _after(first: Action, second: Action) -> Action:
    if not isinstance(first, StepAction) and not isinstance(second, StepAction):
        return lambda *inputs: second(first(*inputs), *inputs[1:])
    both = [act if isinstance(act, StepAction) else StepAction(act) for act in (first, second)]

    def act(latents: Tensor, step: Step) -> Tensor:
        for each in both:
            latents = each(latents, step)
        return latents

    def begins(schedule: Schedule) -> int:
        return max(each.first_of(schedule) for each in both)

    return StepAction(act, begins=begins)


def options_of(choices: Sequence[str], options: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The options of each controller.

    Args:
        choices: names or folders.
        options: of the one controller, or, where several are chosen, a table for each by its name.

    Raises:
        InputError: several are chosen, and a table is for none of them.
    """
    if len(choices) < 2:
        return [options for _ in choices]
    unknown = [name for name in options if name not in choices]
    if unknown:
        raise InputError(
            f"Options are given for the controller {unknown[0]!r}, which is not in use. Where "
            f"several are, their options are a table for each: {', '.join(choices)}."
        )
    tables: list[Mapping[str, object]] = []
    for choice in choices:
        table = options.get(choice, {})
        if not isinstance(table, Mapping):
            raise InputError(f"The options of the controller {choice!r} are a table: {table!r}.")
        tables.append(table)
    return tables
