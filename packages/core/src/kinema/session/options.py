"""The options of a session, for whoever hands them on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from kinema.plugins import Plugins


class SessionOptions(TypedDict, total=False):
    """What :class:`kinema.Session` takes beside its backbone; see there."""

    weights: str | os.PathLike[str] | None
    controller: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None
    controller_options: Mapping[str, Any] | None
    conditions: Sequence[str] | None
    condition_options: Mapping[str, Mapping[str, Any]] | None
    depth: str | os.PathLike[str] | None
    depth_options: Mapping[str, Any] | None
    device: str
    dtype: str | None
    sample: Any
    solver_options: Mapping[str, Any] | None
    options: Mapping[str, Any] | None
    events: Sequence[str]
    plugins: Plugins | None
