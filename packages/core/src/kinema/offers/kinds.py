"""The kinds of offers: the hook of each, its record, and what it builds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from kinema.offers.records import (
    BackboneOffer,
    BenchmarkOffer,
    ClipSourceOffer,
    CommandOffer,
    ConditionOffer,
    ControllerOffer,
    DepthEstimatorOffer,
    ImporterOffer,
    MetricOffer,
    Offer,
    SetMetricOffer,
    SolverOffer,
    TrackerOffer,
)

if TYPE_CHECKING:
    from kinema.interfaces import (
        Backbone,
        Benchmark,
        ClipSource,
        Condition,
        Controller,
        DepthEstimator,
        Importer,
        Metric,
        SetMetric,
        Solver,
        Tracker,
    )
    from kinema.offers.records import Command

_Offer = TypeVar("_Offer", bound=Offer, covariant=True)
_Built = TypeVar("_Built", covariant=True)


@attrs.frozen
class Kind(Generic[_Offer, _Built]):
    """A kind of offer: :meth:`kinema.Plugins.find` and its sisters take one, or its name.

    Attributes:
        name: how people call it.
        hook: the function of a plugin that yields such offers.
        record: what that hook yields.
        built: where the protocol lies of what such an offer builds, ``module:name``.
    """

    name: str
    hook: str = attrs.field(repr=False)
    record: type[_Offer] = attrs.field(repr=False)
    built: str = attrs.field(repr=False)

    def protocol(self) -> type[_Built]:
        """The protocol of what is built. Most of them load torch."""
        module, _, name = self.built.partition(":")
        found: type[_Built] = getattr(import_module(module), name)
        return found

    def __str__(self) -> str:
        return self.name


CONDITION: Kind[ConditionOffer, Condition] = Kind(
    "condition", "kinema_conditions", ConditionOffer, "kinema.interfaces:Condition"
)
CONTROLLER: Kind[ControllerOffer, Controller] = Kind(
    "controller", "kinema_controllers", ControllerOffer, "kinema.interfaces:Controller"
)
BACKBONE: Kind[BackboneOffer, Backbone] = Kind(
    "backbone", "kinema_backbones", BackboneOffer, "kinema.interfaces:Backbone"
)
SOLVER: Kind[SolverOffer, Solver] = Kind(
    "solver", "kinema_solvers", SolverOffer, "kinema.interfaces:Solver"
)
TRACKER: Kind[TrackerOffer, Tracker] = Kind(
    "tracker", "kinema_trackers", TrackerOffer, "kinema.interfaces:Tracker"
)
DEPTH_ESTIMATOR: Kind[DepthEstimatorOffer, DepthEstimator] = Kind(
    "depth estimator",
    "kinema_depth_estimators",
    DepthEstimatorOffer,
    "kinema.interfaces:DepthEstimator",
)
METRIC: Kind[MetricOffer, Metric] = Kind(
    "metric", "kinema_metrics", MetricOffer, "kinema.interfaces:Metric"
)
SET_METRIC: Kind[SetMetricOffer, SetMetric] = Kind(
    "set metric", "kinema_set_metrics", SetMetricOffer, "kinema.interfaces:SetMetric"
)
BENCHMARK: Kind[BenchmarkOffer, Benchmark] = Kind(
    "benchmark", "kinema_benchmarks", BenchmarkOffer, "kinema.interfaces:Benchmark"
)
IMPORTER: Kind[ImporterOffer, Importer] = Kind(
    "importer", "kinema_importers", ImporterOffer, "kinema.interfaces:Importer"
)
CLIP_SOURCE: Kind[ClipSourceOffer, ClipSource] = Kind(
    "clip source", "kinema_clip_sources", ClipSourceOffer, "kinema.interfaces:ClipSource"
)
COMMAND: Kind[CommandOffer, Command] = Kind(
    "command", "kinema_commands", CommandOffer, "kinema.offers:Command"
)

#: Every kind of offer there is.
KINDS: tuple[Kind[Offer, Any], ...] = (
    CONDITION,
    CONTROLLER,
    BACKBONE,
    SOLVER,
    TRACKER,
    DEPTH_ESTIMATOR,
    METRIC,
    SET_METRIC,
    BENCHMARK,
    IMPORTER,
    CLIP_SOURCE,
    COMMAND,
)
