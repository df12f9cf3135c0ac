"""Options of the controllers without parameters. Torch-free."""

from __future__ import annotations

import math

import attrs

from kinema.errors import InputError

#: In which guidance terms the photo's latent is edited.
HALVES = ("both", "prompt")


@attrs.frozen(kw_only=True)
class LatentConfig:
    """What ``latent-copy`` and ``latent-splat`` share.

    Raises:
        InputError: a value is out of range or no known choice.
    """

    halves: str = "both"
    """Guidance terms that are edited: both, as the published code of Wan-Move and ATI does; prompt,
    not the negative one."""
    weights: str = ""
    """Folder of a trained one, whose LoRA is used; empty takes the backbone as it is."""
    lora: bool = True
    """Whether the LoRA that lies in the folder is used."""
    lora_scale: float = 1.0
    """Weight of that LoRA."""
    adapters: dict[str, float] = attrs.field(factory=dict)
    """Further LoRA folders, each with its weight."""

    def __attrs_post_init__(self) -> None:
        if self.halves not in HALVES:
            raise InputError(f"halves must be one of {', '.join(HALVES)}, got {self.halves!r}.")
        weights = {"lora_scale": self.lora_scale, **self.adapters}
        for name, weight in weights.items():
            if not math.isfinite(weight):
                raise InputError(f"The weight {name!r} of LoRA must be finite, got {weight!r}.")


@attrs.frozen(kw_only=True)
class LatentCopyConfig(LatentConfig):
    """Options of ``latent-copy``.

    Raises:
        InputError: a value is no known choice.
    """

    late_starters: str = "drop"
    """Tracks that are hidden or off the canvas in frame 0: drop leaves them out; published copies
    the last cell, as Wan-Move's code does."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.late_starters not in ("drop", "published"):
            raise InputError(
                f"late_starters must be drop or published, got {self.late_starters!r}."
            )


@attrs.frozen(kw_only=True)
class LatentSplatConfig(LatentConfig):
    """Options of ``latent-splat``; the defaults are ATI's.

    Raises:
        InputError: a value is out of range or no known choice.
    """

    temperature: float = 220.0
    """How narrow a track's spot is: its weight falls to 1/e at ``1 / sqrt(temperature)`` of half
    the short side."""
    top_k: int = 2
    """How many tracks count in a cell: those nearest to it."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not 0 < self.temperature < math.inf or self.top_k < 1:
            raise InputError(
                "latent-splat needs a positive temperature and a top_k of at least 1; got "
                f"{self.temperature!r} and {self.top_k!r}."
            )


@attrs.frozen(kw_only=True)
class TimeToMoveConfig:
    """Options of ``time-to-move``.

    Raises:
        InputError: a value is out of range, or the clocks contradict each other.
    """

    clocks: str = "share"
    """How the two clocks are told: share, as shares of the steps; step, as numbers of steps;
    level, as noise levels sigma / (alpha + sigma)."""
    weak: float | None = None
    """When all of the picture is let go: where sampling begins, from the noisy reference. -1 begins
    from noise alone. Unset takes the published share: 3 of 50 steps in flow matching (Wan), 16 of
    50 with exploding noise (Stable Video Diffusion)."""
    strong: float | None = None
    """When the picture under the mask is let go. Unset takes the published share: 7 of 50 steps in
    flow matching, 21 of 50 with exploding noise."""
    reference: str = ""
    """A clip to follow, instead of one that ``preview`` renders of the motion."""
    reference_mask: str = ""
    """Beside it a clip that is white where the reference is to be followed closely."""
    moving: str = "auto"
    """What a rendered mask covers: objects, what regions and drags move; seen, all that the photo
    shows; auto, seen for a camera path alone, and objects otherwise."""

    def __attrs_post_init__(self) -> None:
        if self.clocks not in ("share", "step", "level"):
            raise InputError(f"clocks must be share, step or level, got {self.clocks!r}.")
        if self.moving not in ("auto", "objects", "seen"):
            raise InputError(f"moving must be auto, objects or seen, got {self.moving!r}.")
        if bool(self.reference) != bool(self.reference_mask):
            raise InputError(
                "time-to-move takes a reference and its reference_mask together; got "
                f"{self.reference!r} and {self.reference_mask!r}."
            )
        weak, strong = self.weak, self.strong
        if (weak is None) != (strong is None) or (weak is None and self.clocks != "share"):
            raise InputError(
                "time-to-move needs both clocks, or neither for the published shares; got weak "
                f"{weak!r} and strong {strong!r} as {self.clocks}."
            )
        if weak is None or strong is None:
            return
        ordered = strong <= weak if self.clocks == "level" else weak <= strong
        if strong < 0 or (weak != -1 and (weak < 0 or not ordered)):
            raise InputError(
                "time-to-move needs the weak clock at or before the strong one, or -1 for none; "
                f"got weak {weak!r} and strong {strong!r} as {self.clocks}."
            )
