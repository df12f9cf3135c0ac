"""Finding, checking and looking up what plugins offer."""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import pluggy

from kinema import hooks, offers
from kinema.errors import InputError, KinemaError, PluginError, suggestion

GROUP = "kinema"

#: Each kind of offer: how people call it, its hook, and the record that hook yields.
KINDS: dict[str, tuple[str, type[offers.Offer]]] = {
    "condition": ("kinema_conditions", offers.ConditionOffer),
    "controller": ("kinema_controllers", offers.ControllerOffer),
    "backbone": ("kinema_backbones", offers.BackboneOffer),
    "tracker": ("kinema_trackers", offers.TrackerOffer),
    "depth estimator": ("kinema_depth_estimators", offers.DepthEstimatorOffer),
    "metric": ("kinema_metrics", offers.MetricOffer),
    "importer": ("kinema_importers", offers.ImporterOffer),
    "clip source": ("kinema_clip_sources", offers.ClipSourceOffer),
}

#: What the first-party packages offer, so that an unknown name can say which one to install.
FIRST_PARTY: dict[str, tuple[str, ...]] = {
    "kinema-conditions": (
        "region-trajectory",
        "motion-mask",
        "gaussian-trajectory",
        "camera-trajectory",
        "dense-trajectory",
        "layered-motion",
        "zoedepth",
        "depth-file",
        "plane-prior",
        "dis",
        "cotracker3",
        "dot",
        "ground-truth",
        "synthetic",
    ),
    "kinema-apps": ("videos", "motionpro-folder", "webdataset", "trajectory-distance"),
    "kinema-backbones": (
        "preview",
        "svd",
        "tiny",
        "tiny-modulation",
        "modulation",
        "concat",
        "add",
        "motionpro",
    ),
}

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@attrs.frozen
class Source:
    """Where a plugin comes from."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@attrs.frozen
class Broken:
    """A plugin that was kept aside, and why."""

    source: Source
    error: Exception

    @property
    def reason(self) -> str:
        """The error in one line."""
        text = " ".join(str(self.error).split()) or "no message"
        if isinstance(self.error, KinemaError):
            return text
        return f"{type(self.error).__name__}: {text}"


@attrs.frozen
class Found:
    """An offer and where it comes from."""

    kind: str
    offer: offers.Offer
    source: Source


class Plugins:
    """The installed plugins and all they offer.

    Discovery imports each plugin's module and collects its offers, once. A plugin that fails is
    kept in :attr:`broken` and raised only when something that it might have offered is asked for.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        self._manager.add_hookspecs(hooks)
        self._sources: dict[str, Source] = {}
        self._offers: dict[tuple[str, str], list[Found]] = {}
        self.broken: dict[str, Broken] = {}

    @classmethod
    def installed(cls) -> Plugins:
        """Those of this environment; the same object at every call."""
        return _installed()

    def register(
        self, plugin: object, name: str, distribution: str = "unknown", version: str = "0"
    ) -> None:
        """Add a plugin by hand, as tests and notebooks do.

        A plugin that cannot be used is kept in :attr:`broken`; nothing is raised.
        """
        self._add(Source(name, distribution, version), lambda: plugin)

    def load_entry_points(self) -> None:
        """Add every distribution that has an entry point in the group ``kinema``."""
        seen = set()
        for distribution in importlib.metadata.distributions():
            name = distribution.metadata["Name"]
            for entry in distribution.entry_points:
                if entry.group != GROUP or (name, entry.name) in seen:
                    continue
                seen.add((name, entry.name))
                self._add(Source(entry.name, name, distribution.version), entry.load)

    def _add(self, source: Source, load: Any) -> None:
        label = source.plugin
        try:
            if label in self._sources:
                raise PluginError(
                    f"Two plugins are called {label!r}: {self._sources[label]} and {source}. "
                    "Uninstall one, or rename its entry point."
                )
            plugin = load()
            try:
                self._manager.register(plugin, label)
                self._manager.check_pending()
            except Exception:
                if self._manager.has_plugin(label):
                    self._manager.unregister(name=label)
                raise
            self._sources[label] = source
            found = list(self._collect(label, source))
        except Exception as error:
            if label in self._sources and self._sources[label] is source:
                self._manager.unregister(name=label)
                del self._sources[label]
            key = label if label not in self.broken and label not in self._sources else str(source)
            self.broken[key] = Broken(source, error)
            return
        for item in found:
            self._offers.setdefault((item.kind, item.offer.name), []).append(item)

    def _collect(self, label: str, source: Source) -> Iterable[Found]:
        for kind, (hook, record) in KINDS.items():
            for implementation in getattr(self._manager.hook, hook).get_hookimpls():
                if implementation.plugin_name != label:
                    continue
                for offer in implementation.function():
                    if not isinstance(offer, record):
                        raise PluginError(
                            f"{hook}() of the plugin {label!r} ({source}) yields {offer!r}; it "
                            f"must yield kinema.offers.{record.__name__} records."
                        )
                    if not _NAME.fullmatch(offer.name):
                        raise PluginError(
                            f"The plugin {label!r} ({source}) offers the {kind} {offer.name!r}; "
                            "names are lower-case letters and digits joined by dashes."
                        )
                    yield Found(kind, offer, source)

    def all(self, kind: str | None = None) -> list[Found]:
        """Every offer (of one kind), collisions included, by kind and name."""
        order = list(KINDS)
        found = [item for items in self._offers.values() for item in items]
        chosen = [item for item in found if kind in (None, item.kind)]
        return sorted(chosen, key=lambda item: (order.index(item.kind), item.offer.name))

    def collisions(self) -> list[PluginError]:
        """One error per name that several plugins offer."""
        return [_collision(items) for items in self._offers.values() if len(items) > 1]

    def sources(self) -> list[Source]:
        """Every plugin that works, by name."""
        return sorted(self._sources.values(), key=lambda source: source.plugin)

    def find(self, kind: str, name: str) -> Found:
        """The offer of that kind and name.

        Raises:
            InputError: nothing offers it; the message lists the choices.
            PluginError: two plugins offer it, or a broken plugin might have.
        """
        items = self._offers.get((kind, name), [])
        if len(items) > 1:
            raise _collision(items)
        if items:
            return items[0]
        names = [item.offer.name for item in self.all(kind)]
        text = f"Unknown {kind} {name!r}.{suggestion(name, names)}"
        if self.broken:
            reasons = "; ".join(
                f"{broken.source.plugin} ({broken.source}): {broken.reason}"
                for broken in self.broken.values()
            )
            raise PluginError(f"{text} A broken plugin may have offered it: {reasons}.")
        package = next((p for p, known in FIRST_PARTY.items() if name in known), None)
        if package and package not in {source.distribution for source in self._sources.values()}:
            text += f" It comes with the package {package}; install that."
        raise InputError(f"{text} Choose one of: {', '.join(dict.fromkeys(names)) or 'none'}.")

    def configure(self, kind: str, name: str, options: Any = None) -> Any:
        """The config object for an offer, from a mapping of its options or as it is.

        Raises:
            InputError: an option is unknown or refused.
        """
        from kinema.config import from_mapping

        config = self.find(kind, name).offer.config
        if isinstance(options, config):
            return options
        if options is not None and not isinstance(options, Mapping):
            raise InputError(
                f"The {kind} {name!r} takes its options as {config.__name__} or a mapping, "
                f"got {type(options).__name__}."
            )
        return from_mapping(config, dict(options or {}), f"The config of the {kind} {name!r}")

    def build(self, kind: str, name: str, options: Any = None) -> Any:
        """Build what an offer stands for.

        Raises:
            InputError: the name or an option is unknown.
            PluginError: its factory fails, or builds something else than its kind.
        """
        from kinema import interfaces

        found = self.find(kind, name)
        config = self.configure(kind, name, options)
        try:
            built = found.offer.factory(config)
        except KinemaError:
            raise
        except Exception as error:
            raise PluginError(
                f"The {kind} {name!r} of {found.source} could not be built: "
                f"{type(error).__name__}: {error}. Please report it to the authors of "
                f"{found.source.distribution}."
            ) from error
        protocol = getattr(interfaces, kind.title().replace(" ", ""))
        if not isinstance(built, protocol):
            lacks = sorted(_lacks(built, protocol))
            raise PluginError(
                f"The {kind} {name!r} of {found.source} built a {type(built).__name__} that is no "
                f"{protocol.__name__}: it lacks {', '.join(lacks)}."
            )
        return built

    def observers(self, names: Iterable[str]) -> pluggy.HookRelay:
        """The events' callers, restricted to the plugins that ``names`` enable.

        Raises:
            InputError: no plugin of that name is installed.
            PluginError: it is installed but broken.
        """
        manager = pluggy.PluginManager(hooks.PROJECT)
        manager.add_hookspecs(hooks)
        for name in names:
            if name in self.broken:
                broken = self.broken[name]
                raise PluginError(
                    f"The plugin {name!r} ({broken.source}) is broken: {broken.reason}."
                )
            plugin = self._manager.get_plugin(name)
            if plugin is None:
                raise InputError(
                    f"Unknown plugin {name!r}.{suggestion(name, self._sources)} "
                    f"Choose one of: {', '.join(sorted(self._sources)) or 'none'}."
                )
            manager.register(plugin, name)
        return manager.hook


def _lacks(built: object, protocol: type) -> set[str]:
    names = {name for kind in protocol.__mro__ for name in (*vars(kind), *_annotations(kind))}
    return {name for name in names if not name.startswith("_") and not hasattr(built, name)}


def _annotations(kind: type) -> tuple[str, ...]:
    return tuple(vars(kind).get("__annotations__", {}))


def _collision(items: list[Found]) -> PluginError:
    kind, name = items[0].kind, items[0].offer.name
    return PluginError(
        f"The {kind} {name!r} is offered by {' and by '.join(str(item.source) for item in items)}. "
        "Uninstall one of them."
    )


@functools.cache
def _installed() -> Plugins:
    plugins = Plugins()
    plugins.load_entry_points()
    return plugins
