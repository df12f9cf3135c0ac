"""The camera-like part of tracks: what a camera that turns and zooms would do to the picture."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema.motion.camera import CameraPath
from kinema.motion.canvas import Size

Places = NDArray[np.float64]

#: Focal length in pixels of a picture whose longer side is 1, where nobody knows it: MotionPro's
#: 582.69 at 512 pixels.
FOCAL = 582.69 / 512

#: Pixels from which on a track counts less and less as one of what stands still.
OUTLYING = 1.0


@attrs.frozen(eq=False)
class Turning:
    """A camera that turns and zooms in one place.

    Attributes:
        path: poses and intrinsics of T frames.
        forward: ``(T, 3, 3)``, where each frame has a point of frame 0 that stands still.
    """

    path: CameraPath
    forward: Places

    def removed(self, places: Places) -> Places:
        """Places ``(T, N, 2)`` as a camera that rests would have seen them."""
        back = np.linalg.inv(self.forward)
        return np.stack([_mapped(matrix, row) for matrix, row in zip(back, places, strict=True)])


def turning(places: Places, visible: NDArray[np.bool_], size: Size) -> Turning:
    """The camera that explains most tracks.

    Each frame has a rotation and a focal length of its own, by robust least squares (Cauchy's loss
    of the distance, so that what moves by itself counts little), started from the frame before. The
    centre of the camera rests: nothing has to be known of the depth, and parallax is left to the
    tracks.

    Args:
        places: ``(T, N, 2)`` pixels.
        visible: ``(T, N)``.
        size: (width, height) of the picture.
    """
    from scipy.optimize import least_squares

    focal = FOCAL * max(size)
    centre = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
    state = np.zeros(4)
    states = [state]
    for row, seen in zip(places[1:], visible[1:], strict=True):
        both = seen & visible[0]
        if both.sum() >= 2:
            first, later = places[0][both], row[both]

            def apart(
                values: Places, first: Places = first, later: Places = later
            ) -> NDArray[np.float64]:
                away: Places = _mapped(_homography(values, focal, centre), first) - later
                return np.hypot(away[:, 0], away[:, 1])

            state = least_squares(apart, state, loss="cauchy", f_scale=OUTLYING).x
        states.append(state)
    poses = [np.concatenate([_rotation(each[:3]), np.zeros((3, 1))], 1) for each in states]
    lenses = [(focal * np.exp(each[3]),) * 2 + tuple(centre.tolist()) for each in states]
    return Turning(
        path=CameraPath(
            world_to_camera=[pose.tolist() for pose in poses],
            intrinsics=[[float(number) for number in lens] for lens in lenses],
        ),
        forward=np.stack([_homography(each, focal, centre) for each in states]),
    )


def _homography(state: Places, focal: float, centre: Places) -> Places:
    """Where pixels go, ``(3, 3)``: out through the first lens, turned, in through the second."""
    zoomed = focal * np.exp(state[3])
    lens = np.array([[zoomed, 0, centre[0]], [0, zoomed, centre[1]], [0, 0, 1]])
    first = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    turned: Places = lens @ _rotation(state[:3]) @ np.linalg.inv(first)
    return turned


def _rotation(vector: Places) -> Places:
    from scipy.spatial.transform import Rotation

    matrix: Places = Rotation.from_rotvec(vector).as_matrix()
    return matrix


def _mapped(matrix: Places, points: Places) -> Places:
    """Points ``(N, 2)`` by a homography."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    result: Places = moved[:, :2] / moved[:, 2:]
    return result
