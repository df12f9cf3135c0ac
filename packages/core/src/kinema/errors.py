"""The errors of the project: one base and its children.

Every message says what is wrong with the actual values, who caused it, and what to do about it.
``exit_code`` is what the command line returns: 2 for bad input, 1 for a failure.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: ((width, height), T) of a video.
Form = tuple[tuple[int, int], int]


class KinemaError(Exception):
    """Base of every error that kinema raises on purpose."""

    exit_code = 1


class InputError(KinemaError, ValueError):
    """A value, name, file or size given by the caller cannot be used."""

    exit_code = 2


class FormError(InputError):
    """A backbone cannot make videos of this size or frame count.

    Attributes:
        backbone: its name.
        asked, nearest: (size, T).
    """

    def __init__(self, backbone: str, asked: Form, nearest: Form) -> None:
        self.backbone, self.asked, self.nearest = backbone, asked, nearest
        (width, height), frames = asked
        super().__init__(
            f"The backbone {backbone!r} cannot make {frames} frames of {width}x{height} pixels. "
            f"The nearest that it makes is {self.way_out()}."
        )

    def way_out(
        self, size: str = "size={0!r}", frames: str = "frames={0}", between: str = ", "
    ) -> str:
        """What to ask for instead, in the words of the caller's language."""
        (near_size, near_frames) = self.nearest
        parts = [
            (size.format(near_size, w=near_size[0], h=near_size[1]), near_size != self.asked[0]),
            (frames.format(near_frames), near_frames != self.asked[1]),
        ]
        return between.join(text for text, differs in parts if differs)


class MotionError(InputError):
    """A Motion, a motion file or a camera path contradicts itself or its canvas."""


class WeightsError(InputError):
    """Weights asked for by name are absent, incomplete or not the ones recorded."""


class ExtraError(InputError):
    """Work was asked for that needs an extra of a distribution, and that is not installed."""


class PluginError(KinemaError):
    """An installed plugin is broken, collides with another, or broke its contract."""


class NotFiniteError(KinemaError):
    """A network gave NaN or infinity, of which no picture can be made."""


class KinemaWarning(RuntimeWarning):
    """Something was passed over, and the work goes on without it."""


class Cancelled(KinemaError):
    """The caller cancelled a run between two steps."""


@contextmanager
def naming(what: str, path: str | Path) -> Iterator[None]:
    """Say what cannot be used, in every refusal that does not name its file.

    Values are checked by those who need not know which file they are from.

    Args:
        what: such as ``"The folder 'x/y'"``; it names ``path``.
        path: what was read.

    Raises:
        InputError: what was refused within, or WeightsError where it was one.
    """
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        kind = WeightsError if isinstance(error, WeightsError) else InputError
        raise kind(f"{what} cannot be used. {error}") from None


def suggestion(name: str, choices: Iterable[str]) -> str:
    """``' Did you mean ...?'`` for a near miss, else an empty string."""
    near = difflib.get_close_matches(str(name), list(choices), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
