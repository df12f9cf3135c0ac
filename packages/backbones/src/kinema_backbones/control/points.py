"""What controllers of point tracks ask of a signal and of a backbone's sites."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import Site, SiteKind, Term
from kinema.signals import MotionSignal


def acted_terms(halves: str) -> tuple[Term, ...]:
    """The guidance terms that ``both`` halves, or that of the ``prompt``, stand for."""
    if halves == "both":
        return ("conditional", "unconditional", "motion-free")
    return ("conditional", "motion-free")


def latent_site(name: str, sites: Sequence[Site], kind: SiteKind = "image-latent") -> Site:
    """The site of a kind.

    Raises:
        InputError: the backbone has none.
    """
    found = next((site for site in sites if site.kind == kind), None)
    if found is None:
        raise InputError(
            f"The controller {name!r} acts at the photo's latent of every frame, which this "
            "backbone does not have. The backbones wan (but for TI2V-5B), svd and tiny do."
        )
    return found


def batched_points(name: str, signal: MotionSignal) -> tuple[Tensor, Tensor]:
    """The tracks ``(B, T, N, 2)`` of a signal and their visibility ``(B, T, N)``.

    Raises:
        InputError: the signal has no tracks.
    """
    if signal.tracks is None or signal.visible is None:
        raise InputError(
            f"The controller {name!r} reads point tracks, but the signal has none. Feed it by the "
            "condition point-tracks."
        )
    tracks = signal.tracks if signal.tracks.ndim == 4 else signal.tracks[None]
    visible = signal.visible if signal.visible.ndim == 3 else signal.visible[None]
    return tracks, visible
