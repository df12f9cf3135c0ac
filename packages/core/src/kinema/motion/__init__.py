"""What a person wants to move, and how: plain data, without any tensor library."""

from kinema.files import parse_json
from kinema.motion.camera import CAMERA_MOVES, CameraMove, CameraPath
from kinema.motion.canvas import Point, Size, as_size
from kinema.motion.drag import Drag
from kinema.motion.motion import FORMAT, Motion
from kinema.motion.region import Region
from kinema.motion.tracks import Tracks
from kinema.motion.transform import Keyframe

__all__ = [
    "CAMERA_MOVES",
    "CameraMove",
    "CameraPath",
    "Drag",
    "FORMAT",
    "Keyframe",
    "Motion",
    "Point",
    "Region",
    "Size",
    "Tracks",
    "as_size",
    "parse_json",
]
