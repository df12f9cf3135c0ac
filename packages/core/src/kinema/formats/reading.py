"""Opening foreign files: whatever is wrong with one, a MotionError says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.errors import MotionError
from kinema.files import parse_json
from kinema.motion.canvas import Size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: No motion file comes near this many numbers; more is a broken or hostile file.
MOST_VALUES = 4_000_000

#: No text or JSON file of motion comes near this many bytes; more is a broken or hostile file.
MOST_BYTES = 256 * 2**20


def read_text(path: Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        MotionError: it is absent, unreadable or no text.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise MotionError(f"The file {str(path)!r} cannot be read as text: {error}.") from None


def read_json(path: Path) -> Any:
    """The data of a JSON file.

    Raises:
        MotionError: it is absent, unreadable or not JSON.
    """
    return parse_text(read_text(path), path)


def parse_text(text: str, path: Path) -> Any:
    """The data of JSON text that came from ``path``.

    Raises:
        MotionError: it is not JSON.
    """
    return parse_json(text, f"The file {str(path)!r}")


def load_array(path: Path, what: str) -> NDArray[Any]:
    """The numeric array of a ``.npy`` file; pickled objects are never loaded.

    Raises:
        MotionError: it is absent, broken, or holds something other than numbers.
    """
    import numpy as np

    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a broken header raises nearly anything
        reason = str(error).partition("\n")[0]
        raise MotionError(
            f"The {what} {str(path)!r} is not a readable .npy file: {reason}"
        ) from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise MotionError(f"The {what} {str(path)!r} is an .npz archive; a .npy file is expected.")
    return numeric(array, f"The {what} {str(path)!r}")


def numeric(array: NDArray[Any], what: str) -> NDArray[Any]:
    """The array, if it holds numbers (or flags) and not too many.

    Raises:
        MotionError: it does not.
    """
    if array.dtype.kind not in "biuf" or array.size > MOST_VALUES:
        raise MotionError(
            f"{what} holds {array.size} values of type {array.dtype}; numbers are expected."
        )
    return array


def as_floats(values: Any, what: str) -> NDArray[np.float64]:
    """Nested lists of numbers (or flags) as one array.

    Raises:
        MotionError: a row is of another length, or a value is no number.
    """
    import numpy as np

    try:
        array = np.array(values)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"values of type {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise MotionError(f"{what} must be rows of numbers, all of one length: {error}.") from None


def picture_size(path: Path) -> Size | None:
    """(width, height) of a picture as it is stored, None if there is none at ``path``.

    Raises:
        MotionError: there is a file, but no readable picture.
    """
    from PIL import Image

    if not path.is_file():
        return None
    try:
        with Image.open(path) as image:
            return image.size
    except Exception as error:  # a broken picture raises nearly anything
        raise MotionError(f"The picture {str(path)!r} cannot be read: {error}.") from None
