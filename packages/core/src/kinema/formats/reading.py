"""Opening foreign files: whatever is wrong with one, a MotionError says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.errors import InputError, MotionError
from kinema.files import MOST_BYTES, check_ordinary, parse_json
from kinema.files import read_text as read_utf8
from kinema.motion.canvas import Size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: No motion file comes near this many numbers; more is a broken or hostile file.
MOST_VALUES = 4_000_000


def read_text(path: Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        MotionError: it is absent, unreadable or no text.
    """
    try:
        return read_utf8(path, MOST_BYTES)
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
    try:
        array = open_array(path)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise MotionError(
            f"The {what} {str(path)!r} is not a readable .npy file: {reason}"
        ) from None
    return numeric(array, f"The {what} {str(path)!r}")


def open_array(path: Path) -> NDArray[Any]:
    """The array of a ``.npy`` file, mapped into memory, so that a large one costs nothing yet.

    Raises:
        OSError, ValueError: it is absent, broken, or holds pickled objects, which are never loaded.
    """
    import numpy as np

    check_ordinary(path)
    with path.open("rb") as file:
        start = file.read(6)
    if start[:2] == b"PK":
        raise ValueError("it is an .npz archive; a .npy file is expected")
    if start != b"\x93NUMPY":
        raise ValueError(f"it is no .npy file, which would not begin with {start!r}")
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a broken header raises nearly anything
        if "objects" in str(error):
            raise ValueError("Object arrays cannot be loaded, they might run anything") from None
        raise ValueError(f"its header is broken ({error})") from None
    return array


def numeric(array: NDArray[Any], what: str) -> NDArray[Any]:
    """The array, if it holds numbers (or flags) and not too many.

    Raises:
        MotionError: it does not.
    """
    if array.dtype.kind not in "biuf" or array.size > MOST_VALUES:
        raise MotionError(
            f"{what} holds {array.size} values of type {array.dtype}; numbers are expected, at "
            f"most {MOST_VALUES}."
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


@contextmanager
def as_motion_errors() -> Iterator[None]:
    """What is wrong with a file that belongs to a motion is wrong with the motion."""
    try:
        yield
    except MotionError:
        raise
    except InputError as error:
        raise MotionError(str(error)) from None


def picture_size(path: Path) -> Size | None:
    """(width, height) of a picture as it is stored, None if there is none at ``path``.

    Raises:
        MotionError: there is a file, but no readable picture.
    """
    from kinema.media.pictures import open_picture

    if not path.is_file():
        return None
    with as_motion_errors(), open_picture(path, f"The picture {str(path)!r}") as image:
        width, height = image.size
        return width, height
