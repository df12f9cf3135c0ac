"""What a service is told: where it keeps things, who may call it, and how much it takes.

Torch-free, and without anything of the extra ``studio``, so that commands can read it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from kinema.errors import InputError

MIB = 2**20

#: What happens to a job whose worker or server went away.
Fate = Literal["again", "fail"]

#: A secret of fewer characters can be guessed.
LEAST_SECRET = 16


def _positive(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not value > 0:
        raise InputError(f"{attribute.name} must be above 0, got {value!r}.")


@attrs.frozen(kw_only=True)
class Limits:
    """The most that a service takes; more is refused before any work is done.

    Raises:
        InputError: a limit is not above 0.
    """

    photo_bytes: int = attrs.field(default=32 * MIB, validator=_positive)
    """Of one uploaded photo."""
    photo_pixels: int = attrs.field(default=50_000_000, validator=_positive)
    """Of one photo, read from its header before it is decoded."""
    photos: int = attrs.field(default=8, validator=_positive)
    """In one job: the photo, the last image, the plate and the references."""
    job_bytes: int = attrs.field(default=8 * MIB, validator=_positive)
    """Of the JSON that says what to make, masks included."""
    json_depth: int = attrs.field(default=16, validator=_positive)
    """Arrays and objects within one another."""
    canvas_pixels: int = attrs.field(default=50_000_000, validator=_positive)
    """Of a motion's canvas."""
    points: int = attrs.field(default=200_000, validator=_positive)
    """Of all drags, regions, tracks and poses of a motion together."""
    regions: int = attrs.field(default=64, validator=_positive)
    """Of a motion."""
    region_pixels: int = attrs.field(default=200_000_000, validator=_positive)
    """Of all masks of a motion together: the canvas's as often as there are regions."""
    frames: int = attrs.field(default=256, validator=_positive)
    """T of a video."""
    side: int = attrs.field(default=4096, validator=_positive)
    """Width or height of a video, in pixels."""
    video_pixels: int = attrs.field(default=2**27, validator=_positive)
    """T * H * W of a video; 2^27 are 64 frames of 1920x1080."""
    steps: int = attrs.field(default=200, validator=_positive)
    """Of the sampling."""
    job_seconds: float = attrs.field(default=3600.0, validator=_positive)
    """That a worker may take for a job, the loading of the model included."""
    queue: int = attrs.field(default=256, validator=_positive)
    """Jobs that wait."""
    queue_per_client: int = attrs.field(default=32, validator=_positive)
    """Jobs of one client that wait."""
    streams: int = attrs.field(default=256, validator=_positive)
    """Event streams that are open."""
    idle_seconds: float = attrs.field(default=20.0, validator=_positive)
    """That a client may let the server wait for its next bytes, or for its reading some."""
    upload_seconds: float = attrs.field(default=300.0, validator=_positive)
    """That a whole upload may take."""

    @property
    def body_bytes(self) -> int:
        """Of a whole request: its photos, its JSON, and what multipart adds."""
        return self.photos * self.photo_bytes + self.job_bytes + MIB


@attrs.frozen(kw_only=True)
class Retention:
    """How long finished jobs and their files stay.

    Raises:
        InputError: a value is not above 0.
    """

    days: float = attrs.field(default=7.0, validator=_positive)
    """After which a finished job is deleted."""
    bytes: int = attrs.field(default=20 * 2**30, validator=_positive)
    """Of all files together; the oldest finished jobs go first."""


@attrs.frozen(kw_only=True)
class BackboneSettings:
    """A backbone as the service offers it: what :class:`kinema.Session` takes.

    Paths are the operator's alone: no job can name one.
    """

    backbone: str = ""
    """Name of the backbone's offer; empty takes the name under which it is offered."""
    weights: str = ""
    """Folder or file of its weights."""
    controller: str = ""
    """Name of a controller, or folder of a trained one; empty takes the weights' own, if any."""
    conditions: tuple[str, ...] = ()
    """That feed the controller, instead of those it was trained on or asks for."""
    depth: str = ""
    """Name of a depth estimator, for camera paths; empty takes the one that offers itself."""
    device: str = "auto"
    """Where it computes."""
    dtype: str = ""
    """float32, float16 or bfloat16; empty leaves it to the backbone."""
    options: Mapping[str, Any] = attrs.field(factory=dict)
    """Of the backbone; a job's are laid over them."""
    sample: Mapping[str, Any] = attrs.field(factory=dict)
    """Of the sampling; a job's are laid over them."""
    controller_options: Mapping[str, Any] = attrs.field(factory=dict)
    """Of the controller."""
    condition_options: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    """Of conditions, by name."""
    depth_options: Mapping[str, Any] = attrs.field(factory=dict)
    """Of the depth estimator."""


@attrs.frozen(kw_only=True)
class Settings:
    """All that a service is told.

    Raises:
        InputError: a value is out of range, or what is reachable from elsewhere has no token.
    """

    folder: Path = attrs.field(converter=Path)
    """Where jobs and results are kept; one service at a time uses it."""
    host: str = "127.0.0.1"
    """Address it listens on."""
    port: int = 8765
    """0 takes a free one."""
    names: tuple[str, ...] = ()
    """Host names under which it is reached, beside those of the loopback and ``host``."""
    tokens: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Secret by name of who holds it; with any, every request needs one."""
    origins: tuple[str, ...] = ()
    """Of web pages elsewhere that may call it, such as ``https://app.example``."""
    proxies: tuple[str, ...] = ()
    """Addresses of proxies whose ``X-Forwarded-*`` headers are believed."""
    root_path: str = ""
    """Under which a proxy serves it."""
    backbones: Mapping[str, BackboneSettings] = attrs.field(factory=dict)
    """By the name that jobs give; empty offers all that are installed."""
    engine: Literal["local", "ray"] = "local"
    """Where jobs are made: a process of this machine, or actors of a Ray cluster."""
    workers: int = 0
    """Of the engine ``ray``; 0 takes one per GPU of the cluster, or two if it has none."""
    sessions: int = attrs.field(default=1, validator=_positive)
    """Models that a worker keeps loaded; the least recently used goes."""
    on_restart: Fate = "again"
    """What happens to a job that was running when the server went away."""
    on_crash: Fate = "fail"
    """What happens to a job whose worker went away."""
    tries: int = attrs.field(default=3, validator=_positive)
    """How often a job is begun at most."""
    drain_seconds: float = 5.0
    """That a server which is told to end waits for running jobs."""
    step_pictures: bool = True
    """Whether workers draw rough pictures of unfinished videos."""
    limits: Limits = attrs.field(factory=Limits)
    """What is refused beyond."""
    retention: Retention = attrs.field(factory=Retention)
    """How long finished jobs stay."""

    def __attrs_post_init__(self) -> None:
        for name, secret in self.tokens.items():
            if len(secret) < LEAST_SECRET:
                raise InputError(
                    f"The token of {name!r} has {len(secret)} characters; it needs at least "
                    f"{LEAST_SECRET}. `python -c 'import secrets; print(secrets.token_urlsafe())'` "
                    "makes one."
                )
        if not self.tokens and not self.is_loopback:
            raise InputError(
                f"The address {self.host!r} can be reached from other machines, so a token is "
                "required: give --tokens FILE, or listen on 127.0.0.1."
            )
        if not 0 <= self.port < 2**16:
            raise InputError(f"A port is a number from 0 to 65535, got {self.port!r}.")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can call it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_tokens(text: str) -> dict[str, str]:
    """Secret by name, of lines ``name secret``; lines that begin with ``#`` are passed over.

    Raises:
        InputError: a line is of another form, or a name or a secret comes twice.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:
            raise InputError(f"Line {number} of the tokens is not of the form 'name secret'.")
        name, secret = words
        if name in found or secret in found.values():
            raise InputError(f"Line {number} of the tokens repeats a name or a secret.")
        found[name] = secret
    return found
