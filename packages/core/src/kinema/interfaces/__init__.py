"""What plugins must do: the protocols behind the offers.

Shape legend, here and everywhere: ``B`` batch, ``T`` frames, ``C`` channels, ``H W`` pixels,
``h w`` latent pixels, ``N`` points. Sizes are (width, height); tensors are (..., H, W). ``T'`` are
the frames of latents: T, or fewer where a backbone folds time.
"""

from kinema.interfaces.backbones import (
    Adaptation,
    Backbone,
    Detach,
    Drawn,
    Rehearses,
    Renders,
    Request,
    Trainable,
    check_form,
)
from kinema.interfaces.conditions import Condition, DepthEstimator, DepthMap, Scene
from kinema.interfaces.control import (
    Action,
    Actions,
    Adapter,
    BringsAdapters,
    Controller,
    FitsSites,
    Modulation,
    Predict,
    Recomputable,
    SavedController,
    Site,
    SiteKind,
    Solver,
    Step,
    StepAction,
    Term,
)
from kinema.interfaces.evaluation import (
    Benchmark,
    BenchmarkItem,
    Case,
    Estimate,
    SetMetric,
    Truth,
    TruthMetric,
)
from kinema.interfaces.guidance import Guidance, Scale, frame_guidance
from kinema.interfaces.observers import Importer, Metric, Tracker
from kinema.interfaces.sources import ClipForm, ClipItem, ClipSource, RawClip

__all__ = [
    "Action",
    "Actions",
    "Adaptation",
    "Adapter",
    "Backbone",
    "Benchmark",
    "BenchmarkItem",
    "BringsAdapters",
    "Case",
    "ClipForm",
    "ClipItem",
    "ClipSource",
    "Condition",
    "Controller",
    "DepthEstimator",
    "DepthMap",
    "Detach",
    "Drawn",
    "Estimate",
    "FitsSites",
    "Guidance",
    "Importer",
    "Metric",
    "Modulation",
    "Predict",
    "RawClip",
    "Recomputable",
    "Rehearses",
    "Renders",
    "Request",
    "SavedController",
    "Scale",
    "Scene",
    "SetMetric",
    "Site",
    "SiteKind",
    "Solver",
    "Step",
    "StepAction",
    "Term",
    "Tracker",
    "Trainable",
    "Truth",
    "TruthMetric",
    "check_form",
    "frame_guidance",
]
