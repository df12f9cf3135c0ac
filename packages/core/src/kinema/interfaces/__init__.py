"""What plugins must do: the protocols behind the offers.

Shape legend, here and everywhere: ``B`` batch, ``T`` frames, ``C`` channels, ``H W`` pixels,
``h w`` latent pixels, ``N`` points. Sizes are (width, height); tensors are (..., H, W).
"""

from kinema.interfaces.backbones import Adaptation, Backbone, Detach, Request, Term, Trainable
from kinema.interfaces.conditions import Condition, DepthEstimator, DepthMap, Scene
from kinema.interfaces.control import (
    Action,
    Actions,
    Controller,
    Modulation,
    SavedController,
    Site,
    SiteKind,
)
from kinema.interfaces.observers import Importer, Metric, Tracker
from kinema.interfaces.sources import ClipForm, ClipItem, ClipSource, RawClip

__all__ = [
    "Action",
    "Actions",
    "Adaptation",
    "Backbone",
    "ClipForm",
    "ClipItem",
    "ClipSource",
    "Condition",
    "Controller",
    "DepthEstimator",
    "DepthMap",
    "Detach",
    "Importer",
    "Metric",
    "Modulation",
    "RawClip",
    "Request",
    "SavedController",
    "Scene",
    "Site",
    "SiteKind",
    "Term",
    "Tracker",
    "Trainable",
]
