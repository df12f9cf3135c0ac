"""Colours and turns of a decoded frame, as a standard screen is to show them."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.errors import InputError

Pixels = NDArray[np.uint8]

#: FFmpeg's numbers for the transfer functions PQ (SMPTE ST 2084) and HLG (ARIB STD-B67), and for
#: the primaries of BT.2020.
HDR = {16: "PQ", 18: "HLG"}
BT2020 = 9


class Colours:
    """FFmpeg's conversion of wide and high range colours to those of a standard screen.

    The white of the scene stays white (203 cd/m2, ITU-R BT.2408), and what is brighter is clipped.
    """

    def __init__(self, frame: Any, name: str) -> None:
        import av

        self._name = name
        self._what = HDR.get(int(frame.color_trc), "BT.2020")
        try:
            self._graph = av.filter.Graph()
            source = self._graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format.name,
                time_base=frame.time_base,
            )
            scale = self._graph.add(
                "scale",
                "out_primaries=bt709:out_transfer=bt709:out_color_matrix=bt709:out_range=tv:"
                "intent=relative_colorimetric",
            )
            sink = self._graph.add("buffersink")
            source.link_to(scale)
            scale.link_to(sink)
            self._graph.configure()
        except (av.FFmpegError, ValueError) as error:
            raise self._refused(error) from None

    def on_screen(self, frame: Any) -> Any:
        """The frame in BT.709.

        Raises:
            InputError: FFmpeg here does not convert it.
        """
        import av

        try:
            self._graph.push(frame)
            made: Any = self._graph.pull()
        except (av.FFmpegError, ValueError) as error:
            raise self._refused(error) from None
        if int(made.color_trc) in HDR:
            raise self._refused("the filter left it as it was")
        return made

    def _refused(self, why: object) -> InputError:
        return InputError(
            f"The video {self._name!r} has {self._what} colours, which FFmpeg here does not "
            f"convert ({why}); convert it to BT.709 first."
        )


def display_matrix(frame: Any) -> tuple[float, float, float, float]:
    """How the picture is to be shown: a point (x, y) of it goes to (a x + c y, b x + d y)."""
    for part in frame.side_data:
        if getattr(part.type, "name", "") == "DISPLAYMATRIX":
            values = struct.unpack("<9i", bytes(part)[:36])
            a, b, c, d = (values[place] / 65536 for place in (0, 1, 3, 4))
            return a, b, c, d
    return 1.0, 0.0, 0.0, 1.0


def turned(pixels: Pixels, matrix: tuple[float, float, float, float], name: str) -> Pixels:
    """The picture ``(H, W, 3)`` turned and mirrored as the matrix says.

    Raises:
        InputError: it says something else than quarter turns and mirrors.
    """
    a, b, c, d = matrix
    upright, sideways = (abs(a), abs(d)), (abs(b), abs(c))
    if min(upright) > 0 and max(sideways) < 0.01 * min(upright):
        across, down = a, d
    elif min(sideways) > 0 and max(upright) < 0.01 * min(sideways):
        pixels, across, down = pixels.transpose(1, 0, 2), c, b
    else:
        raise InputError(
            f"The video {name!r} is to be shown turned by something else than quarter turns (its "
            f"display matrix is {matrix!r}); turn it upright first."
        )
    if across < 0:
        pixels = pixels[:, ::-1]
    if down < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
