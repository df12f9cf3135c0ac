"""The snippets of "Serve many requests from one process"."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.all_packages


def test_the_steps(desk: Path) -> None:
    # fmt: off
    # --8<-- [start:threads]
    from concurrent.futures import ThreadPoolExecutor

    import kinema

    motion = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(40, 30), (60, 36)])])

    with kinema.Session("preview") as session, ThreadPoolExecutor(4) as threads:
        waiting = [
            threads.submit(session.animate, "photo.jpg", motion, frames=4, seed=seed)
            for seed in range(4)
        ]
        videos = [each.result() for each in waiting]
    # --8<-- [end:threads]
    assert len(videos) == 4
    # --8<-- [start:cancel]
    import threading

    gone = threading.Event()  # set when the client hangs up
    gone.set()
    with kinema.Session("preview") as session:
        try:
            session.animate("photo.jpg", motion, frames=4, cancel=gone.is_set)
        except kinema.Cancelled as error:
            print(error)
    # --8<-- [end:cancel]
    # --8<-- [start:two]
    first, second = kinema.Session("preview"), kinema.Session("preview")
    with first, second, ThreadPoolExecutor(2) as threads:
        made = [
            threads.submit(session.animate, "photo.jpg", motion, frames=4)
            for session in (first, second)
        ]
        one, other = (each.result() for each in made)
    # --8<-- [end:two]
    assert np.array_equal(one.frames, other.frames)
    # --8<-- [start:batch]
    jobs = [kinema.Job(photo="photo.jpg", motion=motion, seed=seed) for seed in range(3)]

    with kinema.Session("tiny", sample={"steps": 1}) as session:
        videos = session.animate_all(jobs, at_once=2, exact=False)
    # --8<-- [end:batch]
    assert [video.manifest.seed for video in videos if video.manifest] == [0, 1, 2]
    # --8<-- [start:closed]
    session = kinema.Session("preview")
    session.close()
    try:
        session.animate("photo.jpg", motion)
    except kinema.InputError as error:
        message = str(error)

    assert message == "The session is closed; open another one to make videos."
    # --8<-- [end:closed]
    # fmt: on
