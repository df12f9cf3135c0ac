"""The options that say what renders the motion, shared by the commands that take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from kinema.errors import InputError
from kinema.offers import BACKBONE, CONDITION, CONTROLLER, DEPTH_ESTIMATOR, Kind
from kinema.plugins import Plugins
from kinema_apps.terminal import parse_settings

if TYPE_CHECKING:
    from kinema.session.session import Session

_Command = TypeVar("_Command", bound=Callable[..., Any])

DTYPES = ("float32", "float16", "bfloat16")


def complete(*kinds: Kind[Any, Any]) -> Callable[[Any, Any, str], list[CompletionItem]]:
    """Shell completion with the names of everything installed of these kinds (or of any)."""

    def names(_ctx: Any, _parameter: Any, incomplete: str) -> list[CompletionItem]:
        found = [item for item in Plugins.installed().all() if not kinds or item.kind in kinds]
        return [
            CompletionItem(item.offer.name, help=item.offer.summary)
            for item in found
            if item.offer.name.startswith(incomplete)
        ]

    return names


_OPTIONS = [
    click.option(
        "--backbone",
        default="preview",
        show_default=True,
        metavar="NAME",
        shell_complete=complete(BACKBONE),
        help="What renders the motion; `kinema plugins` lists the names.",
    ),
    click.option("--weights", metavar="PATH", help="Folder or file of the backbone's weights."),
    click.option(
        "--controller",
        "controllers",
        multiple=True,
        metavar="NAME|FOLDER",
        shell_complete=complete(CONTROLLER),
        help="What steers the backbone: a name, or the folder of a trained one. Repeatable, in the "
        "order in which they act.",
    ),
    click.option(
        "--lora",
        multiple=True,
        metavar="FILE[:WEIGHT]",
        help="svd, wan: a LoRA file for the network itself. Repeatable.",
    ),
    click.option(
        "--condition",
        "conditions",
        multiple=True,
        metavar="NAME",
        shell_complete=complete(CONDITION),
        help="A condition that feeds the controller, instead of those it was trained on or asks "
        "for. Repeatable, in channel order.",
    ),
    click.option(
        "--depth",
        metavar="NAME|FILE",
        shell_complete=complete(DEPTH_ESTIMATOR),
        help="The photo's depth, for camera paths: an estimator or a file. Default: the "
        "estimator that offers itself, a guess.",
    ),
    click.option("--device", default="auto", show_default=True, help="cuda, mps, cpu or auto."),
    click.option("--dtype", type=click.Choice(DTYPES), help="Default: the backbone's own."),
    click.option("--memory", metavar="MODE", help="svd, wan: default, offload or minimal."),
    click.option("--attention", metavar="KERNEL", help="svd, wan: auto, sdpa, xformers, ..."),
    click.option("--compile", metavar="MODE", help="svd, wan: off or on; svd: warm."),
    click.option(
        "--sample",
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the sampling, such as steps=30; `kinema show BACKBONE` lists them. "
        "Repeatable.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="[PART.]KEY=VALUE",
        help="An option of the backbone, as in memory=offload; with a part before it, of the "
        "controller, the depth, the solver, or of the condition or controller of that name, as in "
        "controller.lora_scale=0.5, region-trajectory.k=6 or time-to-move.weak=0.1. Repeatable.",
    ),
    click.option(
        "--event",
        "events",
        multiple=True,
        metavar="PLUGIN",
        help="An installed plugin that observes the run. Repeatable.",
    ),
]


def session_options(command: _Command) -> _Command:
    """Add the options to a command; :func:`open_session` takes them as keywords."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def open_session(
    *,
    backbone: str,
    weights: str | None,
    controllers: Sequence[str],
    lora: Sequence[str],
    conditions: Sequence[str],
    depth: str | None,
    device: str,
    dtype: str | None,
    sample: Sequence[str],
    settings: Sequence[str],
    events: Sequence[str],
    **shortcuts: str | None,
) -> Session:
    """The session that the options describe; ``shortcuts`` are options of the backbone by name.

    Raises:
        InputError, WeightsError, PluginError: as :class:`kinema.Session` does.
    """
    own, of_parts = split_settings(settings)
    if lora:
        own["lora"] = dict(lora_of(each) for each in lora)
    for name, value in shortcuts.items():
        if value is not None and own.setdefault(name, value) != value:
            raise InputError(
                f"--{name} {value} and --set {name}={own[name]} contradict each other."
            )
    sampling = parse_settings("--sample", sample)
    from kinema.session.session import Session

    return Session(
        backbone,
        weights=weights,
        controller=[each for each in controllers if each] if controllers else None,
        controller_options=_controller_options(controllers, of_parts),
        conditions=conditions or None,
        solver_options=of_parts.pop("solver", {}),
        depth=depth,
        depth_options=of_parts.pop("depth", {}),
        condition_options=of_parts,
        device=device,
        dtype=dtype,
        sample=sampling,
        options=own,
        events=events,
    )


def lora_of(words: str) -> tuple[str, float]:
    """The file and the weight of ``FILE[:WEIGHT]``.

    Raises:
        InputError: the weight is no number.
    """
    file, colon, weight = words.rpartition(":")
    # A drive's letter is no file, and what follows it no weight.
    if not colon or len(file) < 2 or Path(words).is_file():
        return words, 1.0
    try:
        return file, float(weight)
    except ValueError:
        raise InputError(
            f"--lora {words!r} is not of the form FILE or FILE:WEIGHT: {weight!r} is no number."
        ) from None


def _controller_options(
    controllers: Sequence[str], parts: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """The options of the controllers, taken out of those of all parts.

    Raises:
        InputError: ``controller.KEY`` is given where several controllers are.
    """
    general = parts.pop("controller", {})
    by_name = {name: parts.pop(name) for name in controllers if name in parts}
    if len(controllers) < 2:
        return {**general, **by_name.get("".join(controllers), {})}
    if general:
        raise InputError(
            f"--set controller.{next(iter(general))} does not say which of the controllers "
            f"{', '.join(controllers)} it is for; use --set NAME.KEY=VALUE."
        )
    return by_name


def split_settings(
    settings: Sequence[str],
) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """The backbone's own options, and those of each part, from the words of ``--set``.

    Raises:
        InputError: a word is not of the form key=value, or has two dots.
    """
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, str]] = {}
    for key, value in parse_settings("--set", settings).items():
        part, dot, name = key.partition(".")
        if not dot:
            own[key] = value
        elif not part or not name or "." in name:
            raise InputError(f"--set {key!r} is not of the form KEY or PART.KEY.")
        else:
            parts.setdefault(part, {})[name.replace("-", "_")] = value
    return own, parts
