"""What is said where a benchmark's data is not there: all of it, once."""

from __future__ import annotations

from pathlib import Path

import attrs

from kinema.errors import InputError


@attrs.frozen(kw_only=True)
class Data:
    """Where the data of a benchmark comes from.

    Attributes:
        benchmark: its name.
        what: it holds, in words.
        source: where to fetch it from.
        size: how large it is, in words.
        licence: under which it may be used, in words.
        layout: what has to lie in the folder afterwards.
    """

    benchmark: str
    what: str
    source: str
    size: str
    licence: str
    layout: str

    def missing(self, folder: str, lack: str) -> InputError:
        """The error for a folder that lacks something."""
        where = repr(folder) if folder else "no folder (its option 'folder', or --data)"
        return InputError(
            f"The benchmark {self.benchmark!r} needs its data, and {where} was named: {lack}. "
            f"Fetch {self.what} from {self.source} ({self.size}; licence: {self.licence}) and put "
            f"it so that the folder holds {self.layout}. Nothing is downloaded without you."
        )

    def checked(self, folder: str) -> Path:
        """The folder.

        Raises:
            InputError: there is none.
        """
        path = Path(folder)
        if not folder or not path.is_dir():
            raise self.missing(folder, "there is no such folder" if folder else "nothing is there")
        return path


MC_BENCH = Data(
    benchmark="mc-bench",
    what="MC-Bench.tar (1,140 photos with drags and masks: 460 fine-grained, 680 object-level)",
    source="data/ of HiDream-ai/MotionPro on the Hugging Face hub",
    size="its size is not published",
    licence="that of the repository, Apache-2.0; the photos' own is not stated",
    layout="Fine_grained_control/ITEM/ and object_control/ITEM/ with first_frame.png, "
    "first_frame_mask.png and meta_data.json (or meta_data_new.json)",
)

MOVEBENCH = Data(
    benchmark="movebench",
    what="MoveBench (1,018 clips of 81 frames with tracks, masks and captions)",
    source="the dataset Ruihang/MoveBench on the Hugging Face hub",
    size="its size is not published",
    licence="MIT",
    layout="en/single_track.txt, en/multi_track.txt, en/first_frame/ID.jpg, en/video/ID.mp4 and "
    "en/track/single/ID_tracks.npy and ID_visibility.npy (zh likewise)",
)

VIDEOS = Data(
    benchmark="videos",
    what="any videos, such as the 1,000 of WebVid-10M that the paper of MotionPro took",
    source="where you may have them from (WebVid-10M is no longer distributed by its authors)",
    size="as large as they are",
    licence="that of the videos",
    layout="video files, in folders or not",
)

CAMERA = Data(
    benchmark="camera",
    what="photos and camera paths, such as pose files of RealEstate10K",
    source="the RealEstate10K page of Google, for the paths; the photos are your own",
    size="as large as they are",
    licence="CC BY 4.0 for the paths of RealEstate10K",
    layout="photos/NAME.jpg, poses/NAME.txt (RealEstate10K form) and perhaps depth/NAME.npy in "
    "the unit of the poses",
)
