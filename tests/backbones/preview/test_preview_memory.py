"""What a preview costs beyond its imports, and what it does not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# The preview reads the condition layered-motion, which a sister package offers.
pytestmark = pytest.mark.all_packages

#: Reads megabytes of the process. VmHWM is its peak; ru_maxrss begins with that of its parent.
MEMORY = """
def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))
"""

SCRIPT = MEMORY + textwrap.dedent(
    """
    import json, sys
    import numpy as np, torch
    import kinema
    torch.set_num_threads(2)
    random = np.random.default_rng(0)
    session = kinema.Session("preview")

    def motion(width, height):
        return kinema.Motion(
            canvas=(width, height),
            drags=[kinema.Drag([(0.4 * width, 0.4 * height), (0.6 * width, 0.5 * height)])],
            regions=[kinema.Region(brush=[(0.4 * width, 0.4 * height)], radius=0.2 * height)],
            camera=kinema.CameraPath.parse("orbit:8") if CAMERA else None,
        )

    session.animate(random.integers(0, 256, (32, 48, 3), dtype=np.uint8), motion(48, 32), frames=2)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = memory("VmRSS")
    photo = random.integers(0, 256, (320, 512, 3), dtype=np.uint8)
    session.animate(photo, motion(512, 320), frames=16)
    unneeded = {"accelerate", "diffusers", "filelock", "peft", "pyarrow", "transformers"}
    # Only a camera needs the geometry of kornia, whose import takes half a second.
    heavy = (unneeded if CAMERA else unneeded | {"kornia"}) & set(sys.modules)
    print(json.dumps({"megabytes": memory("VmHWM") - before, "heavy": sorted(heavy)}))
    """
)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("camera", [False, True])
def test_a_video_needs_at_most_300_megabytes_and_no_model_library(camera: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("CAMERA", str(camera))],
        capture_output=True,
        text=True,
        check=True,
    )
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["heavy"] == []
    assert measured["megabytes"] < 300


LARGE = MEMORY + textwrap.dedent(
    """
    import cv2, numpy as np
    import kinema
    cv2.setNumThreads(1)
    width, height, frames = SIZE
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    photo = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    del coarse
    motion = kinema.Motion(
        canvas=(width, height),
        drags=[kinema.Drag([(0.4 * width, 0.4 * height), (0.5 * width, 0.5 * height)])],
        regions=[kinema.Region(brush=[(0.4 * width, 0.4 * height)], radius=0.15 * height)],
    )
    with kinema.Session("preview") as session:
        video = session.animate(photo, motion, frames=frames, size=(width, height))
    assert video.frames.shape == (frames, height, width, 3)
    print(memory("VmHWM"))
    """
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("size", [(1024, 576, 81), (4000, 3000, 8)])
def test_a_large_video_takes_at_most_1500_megabytes_imports_and_all(
    size: tuple[int, int, int],
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LARGE.replace("SIZE", repr(size))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 1500


COMMAND = textwrap.dedent(
    """
    import resource, subprocess, sys
    subprocess.run([sys.executable, "-m", "kinema_apps.cli", *sys.argv[1:]], check=True)
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    """
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss in kilobytes")
@pytest.mark.parametrize("size", [(1024, 576, 81), (4000, 3000, 8)])
def test_the_whole_command_takes_at_most_1500_megabytes(
    tmp_path: Path, size: tuple[int, int, int]
) -> None:
    width, height, frames = size
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(
        tmp_path / "photo.png", compress_level=1
    )
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    x, y = width // 3, height // 3
    asked = [
        *("animate", str(tmp_path / "photo.png"), "--region", str(tmp_path / "mask.png")),
        *("--drag", f"{x},{y} {x + width // 10},{y + height // 10}"),
        *("--size", f"{width}x{height}", "--frames", str(frames)),
        *("--out", str(tmp_path / "out.mp4")),
    ]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *asked],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    assert (tmp_path / "out.mp4").stat().st_size
    assert float(done.stdout.splitlines()[-1]) < 1500
