"""The metrics that an evaluation is asked for: found, configured, and as they are recorded."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from kinema.errors import InputError, suggestion
from kinema.evaluation.job import Wanted
from kinema.evaluation.results import MetricRecord
from kinema.found import Found
from kinema.offers import METRIC, SET_METRIC, MetricOffer, Need, SetMetricOffer
from kinema.plugins import Plugins

#: Where the plugins' options of metrics come from: a name alone, or a name and its options.
Metrics = Sequence[str] | Mapping[str, Mapping[str, Any]]


@attrs.frozen(kw_only=True)
class Asked:
    """A metric that was asked for, and where it comes from."""

    found: Found[MetricOffer] | Found[SetMetricOffer]
    wanted: Wanted

    @property
    def record(self) -> MetricRecord:
        """As the results keep it."""
        offer = self.found.offer
        return MetricRecord(
            name=offer.name,
            of=self.wanted.of,
            summary=offer.summary,
            unit=offer.unit,
            better=offer.better,
            needs=offer.needs,
            published=offer.published,
            stands_in_for=offer.stands_in_for,
            options=self.wanted.options,
            distribution=self.found.source.distribution,
            version=self.found.source.version,
        )

    @property
    def told(self) -> dict[str, Any]:
        """What of it must be the same when a run is taken up again."""
        return {
            "of": self.wanted.of,
            "options": self.wanted.options,
            "distribution": self.found.source.distribution,
            "version": self.wanted.version,
        }


def asked_metrics(plugins: Plugins, metrics: Metrics) -> list[Asked]:
    """The metrics of these names, configured.

    Raises:
        InputError: there is none, a name is unknown or an option cannot be used.
    """
    named = metrics if isinstance(metrics, Mapping) else {name: {} for name in metrics}
    if not named:
        raise InputError("An evaluation needs a metric, and the benchmark names none itself.")
    known = []
    of_set = {item.offer.name for item in plugins.all(SET_METRIC)}
    of_video = {item.offer.name for item in plugins.all(METRIC)}
    for name, options in named.items():
        if name not in of_set | of_video:
            choices = sorted(of_set | of_video)
            raise InputError(
                f"Unknown metric {name!r}.{suggestion(name, choices)} Choose out of: "
                f"{', '.join(choices) or 'none'}.{plugins.doubts()}"
            )
        kind: Any = SET_METRIC if name in of_set else METRIC
        found = plugins.find(kind, name)
        config = plugins.configure(kind, name, options)
        needs: tuple[Need, ...] = found.offer.needs
        wanted = Wanted(
            name=name,
            of="set" if name in of_set else "video",
            needs=needs,
            options=json.loads(json.dumps(plain(config))),
            version=found.source.version,
        )
        known.append(Asked(found=found, wanted=wanted))
    return known


def plain(config: Any) -> dict[str, Any]:
    """A config as JSON holds it; paths as text."""
    found = attrs.asdict(config, value_serializer=lambda *field: _text(field[2]))
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def _text(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value
