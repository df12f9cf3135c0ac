"""The backbones of a service: how they are described, and what of them a job may set."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, get_args

import attrs
import msgspec

from kinema.config import SampleConfig, from_mapping
from kinema.errors import InputError, suggestion
from kinema.found import Found
from kinema.offers import BACKBONE, SOLVER, BackboneOffer
from kinema.plugins import Plugins
from kinema_apps.commands.show import field_docs
from kinema_apps.service import wire
from kinema_apps.service.settings import BackboneSettings, Settings


@attrs.frozen(kw_only=True)
class Entry:
    """A backbone under the name that jobs give.

    Attributes:
        options, sample: JSON Schemas of what a job may set.
    """

    name: str
    found: Found[BackboneOffer]
    settings: BackboneSettings
    options: Mapping[str, Any]
    sample: Mapping[str, Any]

    @property
    def session(self) -> dict[str, Any]:
        """What :class:`kinema.Session` is told, as plain data."""
        return {**attrs.asdict(self.settings), "backbone": self.found.offer.name}


class Catalogue:
    """The backbones of a service by name.

    Raises:
        InputError: one is not installed, or has no such option.
    """

    def __init__(self, settings: Settings, plugins: Plugins | None = None) -> None:
        self._plugins = plugins or Plugins.installed()
        self._limits = settings.limits
        named = dict(settings.backbones) or {
            item.offer.name: BackboneSettings() for item in self._plugins.all(BACKBONE)
        }
        if not named:
            raise InputError('No backbone is installed; install "kinema[all]".')
        self._entries = {name: self._entry(name, told) for name, told in named.items()}
        defaults = [name for name, e in self._entries.items() if e.found.offer.default]
        self.default = defaults[0] if defaults else next(iter(self._entries))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def _entry(self, name: str, told: BackboneSettings) -> Entry:
        found = self._plugins.find(BACKBONE, told.backbone or name)
        self._plugins.configure(BACKBONE, found.offer.name, told.options)
        what = f"The sampling of the backbone {name!r}"
        from_mapping(found.offer.sample, dict(told.sample), what)
        sample = settable(found.offer.sample)
        if "solver" in attrs.fields_dict(found.offer.sample):
            solvers = [item.offer.name for item in self._plugins.all(SOLVER)]
            sample["properties"]["solver"] = {
                "enum": solvers,
                "default": _default(found.offer.sample, "solver"),
                "description": field_docs(SampleConfig)["solver"],
            }
        if "steps" in sample["properties"]:
            sample["properties"]["steps"].update(minimum=1, maximum=self._limits.steps)
        for schema, given in (
            (sample, told.sample),
            (options := settable(found.offer.config), told.options),
        ):
            for key, value in given.items():
                if key in schema["properties"]:
                    schema["properties"][key]["default"] = value
        return Entry(name=name, found=found, settings=told, options=options, sample=sample)

    def check(self, request: wire.JobRequest) -> Entry:
        """The backbone of a request whose options it takes.

        Raises:
            InputError: there is no such backbone, or it has no such option, or not that value.
        """
        name = request.backbone or self.default
        if name not in self._entries:
            raise InputError(
                f"Unknown backbone {name!r}.{suggestion(name, self._entries)} "
                f"Choose one of: {', '.join(self._entries)}."
            )
        entry = self._entries[name]
        _check_names(f"The backbone {name!r}", "options", entry.options, request.options)
        _check_names(f"The sampling of {name!r}", "sample", entry.sample, request.sample)
        steps = request.sample.get("steps", 0)
        if isinstance(steps, (int, float)) and steps > self._limits.steps:
            raise InputError(f"At most {self._limits.steps} steps are taken, not {steps}.")
        told, offer = entry.settings, entry.found.offer
        self._plugins.configure(BACKBONE, offer.name, {**told.options, **request.options})
        what = f"The sampling of the backbone {name!r}"
        from_mapping(offer.sample, {**told.sample, **request.sample}, what)
        solver = request.sample.get("solver")
        if solver is not None:
            self._plugins.find(SOLVER, str(solver))
        return entry

    def describe(self) -> wire.Offers:
        """All of it, for callers."""
        taken = attrs.asdict(self._limits)
        return wire.Offers(
            version=version("kinema-apps"),
            backbones=[self._described(entry) for entry in self],
            forms=list(get_args(wire.VideoForm)),
            limits=wire.LimitsOut(**{n: taken[n] for n in wire.LimitsOut.model_fields}),
        )

    def _described(self, entry: Entry) -> wire.BackboneOut:
        offer, source = entry.found.offer, entry.found.source
        native = offer.native
        return wire.BackboneOut(
            name=entry.name,
            summary=offer.summary,
            default=entry.name == self.default,
            distribution=source.distribution,
            version=source.version,
            native=None if native is None else wire.NativeFormOut(**attrs.asdict(native)),
            reads=list(offer.reads),
            options=dict(entry.options),
            sample=dict(entry.sample),
            licences=sorted({file.licence for file in offer.weights}),
        )


def settable(config: type[Any]) -> dict[str, Any]:
    """The JSON Schema of those options of a config class that a stranger may set.

    Numbers, switches, choices and lists of numbers. A text may name a file or a device, and is the
    operator's.
    """
    (_,), schemas = msgspec.json.schema_components([config])
    schema = copy.deepcopy(schemas[config.__name__])
    docs = field_docs(config)
    properties = {}
    for name, told in schema["properties"].items():
        if _is_harmless(told):
            text = docs.get(name, "").replace("``", "`")
            properties[name] = {**told, **({"description": text} if text else {})}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _is_harmless(schema: Mapping[str, Any]) -> bool:
    if "anyOf" in schema:
        return all(_is_harmless(each) for each in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return True
    if schema.get("type") == "array":
        items = [schema["items"]] if isinstance(schema.get("items"), Mapping) else []
        items += schema.get("prefixItems", [])
        return bool(items) and all(_is_harmless(each) for each in items)
    return schema.get("type") in ("integer", "number", "boolean", "null")


def _check_names(
    what: str, where: str, schema: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    known = schema["properties"]
    for name in given:
        if name not in known:
            raise InputError(
                f"{what} has no option {name!r} that a job may set.{suggestion(name, known)} "
                f"In {where}: {', '.join(known) or 'none'}."
            )


def _default(config: type[Any], name: str) -> Any:
    return attrs.fields_dict(config)[name].default
