"""Masks as pixels: read once, written once, whoever asks for them."""

from __future__ import annotations

import base64
import io
import math
import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A mask pixel belongs to the region when its grey value (0..255) is at least this.
MASK_THRESHOLD = 128

#: Grey levels of a mask that are grown apart from one another.
GREYS = 16


def read_mask(source: Any) -> NDArray[np.uint8]:
    """A picture in grey, ``(H, W)``; a picture of one colour is read by its alpha.

    Raises:
        InputError: it is no readable picture.
    """
    import numpy as np

    from kinema.media.pictures import open_picture

    with open_picture(source, "The mask") as image:
        grey = image.convert("RGBA").getchannel("A") if _only_alpha(image) else image.convert("L")
    return np.array(grey)


def _only_alpha(image: Any) -> bool:
    """Whether a mask was painted as transparency over a single colour (a brush layer)."""
    if image.mode not in ("RGBA", "LA"):
        return False
    low, high = image.getchannel("A").getextrema()
    return bool(low != high)


class Picture:
    """A mask as pixels and as a base64 PNG; each is made of the other at most once.

    A value like a string: equal where the PNG is, never changed, safe to share among threads.
    """

    def __init__(self, text: str = "", levels: NDArray[np.uint8] | None = None) -> None:
        self._text = text
        self._levels = levels
        self._lock = threading.Lock()

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> Picture:
        """The picture of pixels ``(H, W)``, True inside, or in grey; not to be changed any more."""
        import numpy as np

        levels = np.asarray(pixels)
        if levels.dtype == bool:
            levels = np.where(levels, 255, 0).astype(np.uint8)
        levels.flags.writeable = False
        return cls(levels=levels)

    @property
    def text(self) -> str:
        """The PNG as base64."""
        with self._lock:
            if not self._text:
                self._text = _encoded(self._levels)
            return self._text

    @property
    def levels(self) -> NDArray[np.uint8]:
        """The pixels in grey ``(H, W)``; not writeable.

        Raises:
            Exception: nearly anything, if the text is no readable picture.
        """
        with self._lock:
            if self._levels is None:
                levels = read_mask(io.BytesIO(base64.b64decode(self._text, validate=True)))
                levels.flags.writeable = False
                self._levels = levels
            return self._levels

    @property
    def inside(self) -> NDArray[np.bool_]:
        """The pixels ``(H, W)``, True inside; the caller's own.

        Raises:
            Exception: nearly anything, if the text is no readable picture.
        """
        import numpy as np

        return np.asarray(self.levels >= MASK_THRESHOLD)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Picture):
            return NotImplemented
        return self is other or self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __deepcopy__(self, memo: Any) -> Picture:
        return self

    def __reduce__(self) -> Any:
        return Picture, (self.text,)


def _encoded(levels: Any) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def grown(levels: NDArray[np.uint8], pixels: float) -> NDArray[np.uint8]:
    """A mask (H, W) that reaches ``pixels`` farther on all sides, or less far where negative.

    Its grey goes along, in :data:`GREYS` steps: each level set grows or shrinks by that distance.
    What touches the edge of the picture goes on beyond it, and does not shrink from there.
    """
    import numpy as np
    from scipy.ndimage import distance_transform_edt

    result = np.zeros_like(levels)
    if not levels.any():
        return result
    found = np.unique(levels[levels > 0])
    if len(found) > GREYS:
        found = np.unique(np.quantile(found, np.linspace(0, 1, GREYS), method="nearest"))
    area = _around(levels, pixels)
    for level in found.tolist():
        inside = levels[area] >= level
        if pixels >= 0:
            kept = distance_transform_edt(~inside) <= pixels
        elif inside.all():
            kept = inside
        else:
            kept = distance_transform_edt(inside) > -pixels
        result[area][kept] = level
    return result


def _around(levels: NDArray[np.uint8], pixels: float) -> tuple[slice, slice]:
    """The rows and columns that a mask may reach when it grows by ``pixels``, and one more."""
    import numpy as np

    found = []
    for axis in (1, 0):
        some = np.flatnonzero(levels.any(axis=axis))
        reach = math.ceil(min(max(pixels, 0.0), len(levels.T) + len(levels))) + 1
        found.append(slice(max(0, int(some[0]) - reach), int(some[-1]) + 1 + reach))
    return found[0], found[1]


class Last:
    """The last picture that was drawn of a region, so that a run draws it once.

    Only the last: a product that shows a region on many canvases holds no more than one of them.
    Copies and pickles start empty.
    """

    def __init__(self) -> None:
        self._key: Hashable = None
        self._picture: Picture | None = None
        self._lock = threading.Lock()

    def drawn(self, key: Hashable, draw: Callable[[], NDArray[Any]]) -> Picture:
        """What ``draw`` gives, unless it was the last to be drawn under this key."""
        with self._lock:
            if self._picture is None or self._key != key:
                self._picture, self._key = Picture.of(draw()), key
            return self._picture

    def __reduce__(self) -> Any:
        return Last, ()
