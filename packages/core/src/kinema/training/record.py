"""One training, as events see it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Training:
    """One training in progress.

    Attributes:
        name: of the run folder.
        folder: where checkpoints, the resolved config and the samples go.
        config: the resolved recipe, as plain data.
        clips: clips of the data set.
        trainable: parameters being trained.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    clips: int
    trainable: int
