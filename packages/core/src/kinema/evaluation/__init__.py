"""Evaluation: benchmarks run on models, videos made and measured, and how sure the means are."""

from kinema.evaluation.intervals import Interval
from kinema.evaluation.models import (
    BackboneModel,
    FunctionModel,
    Model,
    RealModel,
    StillModel,
    VideosModel,
)
from kinema.evaluation.published import (
    Beside,
    PublishedTable,
    beside,
    differences,
    read_published,
)
from kinema.evaluation.results import (
    Fault,
    MetricRecord,
    ModelRecord,
    Results,
    ScoreRow,
    SummaryRow,
)
from kinema.evaluation.videos import Evaluation, Item, Score, evaluate, measure

__all__ = [
    "BackboneModel",
    "Beside",
    "Evaluation",
    "Fault",
    "FunctionModel",
    "Interval",
    "Item",
    "MetricRecord",
    "Model",
    "ModelRecord",
    "PublishedTable",
    "RealModel",
    "Results",
    "Score",
    "ScoreRow",
    "StillModel",
    "SummaryRow",
    "VideosModel",
    "beside",
    "differences",
    "evaluate",
    "measure",
    "read_published",
]
