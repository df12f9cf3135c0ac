"""Finding, checking and looking up what plugins offer."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

import pluggy

from kinema.errors import ExtraError, InputError, KinemaError, PluginError, suggestion
from kinema.found import Broken, Found, Observer, Source
from kinema.hooks import PROJECT
from kinema.hooks import events as event_hooks
from kinema.hooks import offers as offer_hooks
from kinema.offers import BACKBONE, KINDS, Kind, NoConfig, Offer

if TYPE_CHECKING:
    from kinema.interfaces import Backbone

GROUP = "kinema"

#: The hooks by which a plugin observes, in the order of :mod:`kinema.hooks.events`.
EVENTS = tuple(name for name in vars(event_hooks) if name.startswith("kinema_"))

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\[[a-z0-9]+(-[a-z0-9]+)*\])?")

_Offer = TypeVar("_Offer", bound=Offer)
_Built = TypeVar("_Built")


class Plugins:
    """The installed plugins and all they offer.

    Discovery imports each plugin's module and collects its offers, once. A plugin that fails is
    kept in :attr:`broken`, and named when something is asked for that nothing else offers. What
    the core itself offers is always there. One that needs an extra which is not installed is in
    :attr:`dormant`, and named only when it is asked for itself.
    """

    def __init__(self) -> None:
        self._manager = _hook_manager()
        self._sources: dict[str, Source] = {}
        self._offers: dict[tuple[str, str], list[Found[Offer]]] = {}
        self._observers: dict[str, Observer] = {}
        self._environment = False
        self.broken: dict[str, Broken] = {}
        self.dormant: dict[str, Broken] = {}
        from kinema import plugin

        self.register(plugin, "kinema", "kinema", importlib.metadata.version("kinema"))

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
        self._environment = True
        for entry in importlib.metadata.entry_points(group=GROUP):
            assert entry.dist is not None
            self._add(Source(entry.name, entry.dist.name, entry.dist.version), entry.load)

    def _add(self, source: Source, load: Callable[[], object]) -> None:
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
            observer = self._observer(plugin, source)
        except (Exception, SystemExit) as error:
            if label in self._sources and self._sources[label] is source:
                self._manager.unregister(name=label)
                del self._sources[label]
            key = label if label not in self.broken and label not in self._sources else str(source)
            kept = self.dormant if isinstance(error, ExtraError) else self.broken
            kept[key] = Broken(source, error)
            return
        for item in found:
            self._offers.setdefault((item.kind.name, item.offer.name), []).append(item)
        if observer.events:
            self._observers[label] = observer

    def _observer(self, plugin: object, source: Source) -> Observer:
        hooked = {caller.name for caller in self._manager.get_hookcallers(plugin) or ()}
        events = tuple(name for name in EVENTS if name in hooked)
        by_default = getattr(plugin, "observes_trainings", False) is True
        if by_default and not any(name.startswith("kinema_training_") for name in events):
            raise PluginError(
                f"The plugin {source.plugin!r} ({source}) says that it observes trainings, but "
                "implements no event of a training."
            )
        paragraph, _, _ = inspect.cleandoc(plugin.__doc__ or "").partition("\n\n")
        return Observer(source, " ".join(paragraph.split()), events, by_default)

    def _collect(self, label: str, source: Source) -> Iterable[Found[Offer]]:
        for kind in KINDS:
            for implementation in getattr(self._manager.hook, kind.hook).get_hookimpls():
                if implementation.plugin_name != label:
                    continue
                for offer in implementation.function():
                    if not isinstance(offer, kind.record):
                        raise PluginError(
                            f"{kind.hook}() of the plugin {label!r} ({source}) yields {offer!r}; "
                            f"it must yield kinema.offers.{kind.record.__name__} records."
                        )
                    if not _NAME.fullmatch(offer.name):
                        raise PluginError(
                            f"The plugin {label!r} ({source}) offers the {kind} {offer.name!r}; "
                            "names are lower-case letters and digits joined by dashes, and perhaps "
                            "what it is computed with in brackets."
                        )
                    yield Found(kind, offer, source)

    @overload
    def all(self) -> list[Found[Offer]]: ...
    @overload
    def all(self, kind: Kind[_Offer, Any]) -> list[Found[_Offer]]: ...
    @overload
    def all(self, kind: str) -> list[Found[Offer]]: ...
    def all(self, kind: Kind[Any, Any] | str | None = None) -> list[Found[Any]]:
        """Every offer (of one kind), collisions included, by kind and name.

        Raises:
            InputError: there is no such kind.
        """
        wanted = KINDS if kind is None else (kind_of(kind),)
        found = [item for items in self._offers.values() for item in items if item.kind in wanted]
        return sorted(found, key=lambda item: (KINDS.index(item.kind), item.offer.name))

    def collisions(self) -> list[PluginError]:
        """One error per name that several plugins offer."""
        return [_collision(items) for items in self._offers.values() if len(items) > 1]

    def sources(self) -> list[Source]:
        """Every plugin that works, by name."""
        return sorted(self._sources.values(), key=lambda source: source.plugin)

    def event_plugins(self) -> list[Observer]:
        """Every plugin that implements an event, by name."""
        return sorted(self._observers.values(), key=lambda item: item.source.plugin)

    def absent(self) -> list[str]:
        """The packages of ``kinema[all]`` that are not installed, where plugins were looked for."""
        return _absent() if self._environment else []

    def doubts(self) -> str:
        """What else may offer a name that nothing offers, in sentences; empty if nothing may."""
        text = ""
        for broken in self.broken.values():
            plugin, reason = broken.source.plugin, broken.reason.rstrip(".")
            text += f" The broken plugin {plugin!r} ({broken.source}) may offer it: {reason}."
        if self.absent():
            packages = " or ".join(self.absent())
            text += f' It may come with {packages}, not installed here: install "kinema[all]".'
        return text

    @overload
    def find(self, kind: Kind[_Offer, Any], name: str) -> Found[_Offer]: ...
    @overload
    def find(self, kind: str, name: str) -> Found[Offer]: ...
    def find(self, kind: Kind[Any, Any] | str, name: str) -> Found[Any]:
        """The offer of that kind and name.

        Args:
            kind: such as :data:`kinema.offers.CONDITION`, or its name, ``"condition"``.

        Raises:
            InputError: nothing offers it; the message lists the choices, and the plugins that may
                have offered it but are broken.
            PluginError: two plugins offer it.
        """
        kind = kind_of(kind)
        if not isinstance(name, str):
            raise InputError(f"The name of a {kind} is text, got {name!r:.60}.")
        items = self._offers.get((kind.name, name), [])
        if len(items) > 1:
            raise _collision(items)
        if items:
            return items[0]
        names = dict.fromkeys(item.offer.name for item in self.all(kind))
        raise InputError(
            f"Unknown {kind} {name!r}.{suggestion(name, names)} Choose one of: "
            f"{', '.join(names) or 'none'}.{self.doubts()}"
        )

    def default(self, kind: Kind[_Offer, Any]) -> Found[_Offer]:
        """The offer of a kind that is taken where none is named.

        Raises:
            InputError: no installed plugin offers one, or several do; the message lists the
                choices.
        """
        found = [item for item in self.all(kind) if item.offer.default]
        if len(found) == 1:
            return found[0]
        names = ", ".join(dict.fromkeys(item.offer.name for item in found or self.all(kind)))
        why = "several are the default" if found else "none installed is the default"
        raise InputError(f"Name a {kind}: {why}. Choose one of: {names or 'none'}.")

    def configure(self, kind: Kind[Any, Any] | str, name: str, options: Any = None) -> Any:
        """The config object for an offer, from a mapping of its options or as it is.

        Raises:
            InputError: the name or an option is unknown, or an option is refused.
        """
        config = self.find(kind, name).offer.config
        if isinstance(options, config):
            return options
        if options is not None and not isinstance(options, Mapping):
            raise InputError(
                f"The {kind} {name!r} takes its options as {config.__name__} or a mapping, "
                f"got {type(options).__name__}."
            )
        if config is NoConfig and not options:
            return NoConfig()
        from kinema.config import from_mapping

        return from_mapping(config, dict(options or {}), f"The config of the {kind} {name!r}")

    @overload
    def build(self, kind: Kind[Any, _Built], name: str, options: Any = None) -> _Built: ...
    @overload
    def build(self, kind: str, name: str, options: Any = None) -> Any: ...
    def build(self, kind: Kind[Any, Any] | str, name: str, options: Any = None) -> Any:
        """Build what an offer stands for.

        Raises:
            InputError: the name or an option is unknown.
            PluginError: its factory fails, or builds something else than its kind.
        """
        kind = kind_of(kind)
        offer = self.find(kind, name).offer
        return self._built(kind, name, offer.factory, options)

    def build_encoding(self, name: str, options: Any = None) -> Backbone:
        """Build what encodes clips for a backbone: the backbone itself, or what it offers for that.

        Raises:
            InputError: the name or an option is unknown.
            PluginError: its factory fails, or builds something else than a backbone.
        """
        offer = self.find(BACKBONE, name).offer
        factory = offer.factory if offer.encoding is None else offer.encoding.factory
        built: Backbone = self._built(BACKBONE, name, factory, options)
        return built

    def _built(
        self, kind: Kind[Any, Any], name: str, factory: Callable[[Any], Any], options: Any
    ) -> Any:
        found = self.find(kind, name)
        config = self.configure(kind, name, options)
        try:
            built = factory(config)
        except KinemaError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"The {kind} {name!r} of {found.source} could not be built: "
                f"{type(error).__name__}: {error}. Please report it to the authors of "
                f"{found.source.distribution}."
            ) from error
        protocol = kind.protocol()
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
            InputError: no plugin of that name is installed, or it implements no event.
            ExtraError: it needs an extra that is not installed.
            PluginError: it is installed but broken.
        """
        manager = _hook_manager()
        for name in names:
            if name in self.dormant:
                raise self.dormant[name].error
            if name in self.broken:
                broken = self.broken[name]
                raise PluginError(
                    f"The plugin {name!r} ({broken.source}) is broken: {broken.reason}."
                )
            if name not in self._observers:
                raise self._no_observer(name)
            manager.register(self._manager.get_plugin(name), name)
        return manager.hook

    def _no_observer(self, name: str) -> InputError:
        names = sorted(self._observers)
        choices = f"Choose one of: {', '.join(names) or 'none'}."
        if name in self._sources:
            return InputError(
                f"The plugin {name!r} ({self._sources[name]}) implements no event, so it observes "
                f"nothing. {choices}"
            )
        return InputError(
            f"Unknown plugin {name!r}.{suggestion(name, names)} {choices}{self.doubts()}"
        )


def _hook_manager() -> pluggy.PluginManager:
    """One that knows every hook, and no plugin."""
    manager = pluggy.PluginManager(PROJECT)
    for specs in (offer_hooks, event_hooks):
        manager.add_hookspecs(specs)
    return manager


def kind_of(kind: Kind[Any, Any] | str) -> Kind[Any, Any]:
    """The kind of offer that a name means; a kind means itself.

    Raises:
        InputError: there is no such kind.
    """
    if isinstance(kind, Kind):
        return kind
    known = {each.name: each for each in KINDS}
    if kind not in known:
        raise InputError(
            f"Unknown kind of offer {kind!r}.{suggestion(kind, known)} "
            f"Choose one of: {', '.join(known)}."
        )
    return known[kind]


def _lacks(built: object, protocol: type) -> set[str]:
    names = {name for kind in protocol.__mro__ for name in (*vars(kind), *_annotations(kind))}
    public = {name for name in names if not name.startswith("_") or name == "__call__"}
    return {name for name in public if not hasattr(built, name)}


def _annotations(kind: type) -> tuple[str, ...]:
    return tuple(vars(kind).get("__annotations__", {}))


def _collision(items: list[Found[Offer]]) -> PluginError:
    kind, name = items[0].kind, items[0].offer.name
    return PluginError(
        f"The {kind} {name!r} is offered by {' and by '.join(str(item.source) for item in items)}. "
        "Uninstall one of them."
    )


def _absent() -> list[str]:
    of: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("kinema") or ():
        name = re.split(r"[^\w.-]", requirement)[0]
        of.setdefault(name, []).extend(re.findall(r"""extra\s*==\s*['"](\w+)['"]""", requirement))
    # What another extra brings too is no package of ours.
    every = [name for name, extras in of.items() if set(extras) == {"all"}]
    return [name for name in every if not any(importlib.metadata.distributions(name=name))]


@functools.cache
def _installed() -> Plugins:
    plugins = Plugins()
    plugins.load_entry_points()
    return plugins
