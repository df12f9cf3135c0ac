"""The snippet of "Evaluate from Python"."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.all_packages


def test_a_benchmark_from_python(desk: Path) -> None:
    # fmt: off
    # --8<-- [start:benchmark]
    import kinema
    from kinema.evaluation import Results, StillModel

    found = kinema.evaluate(
        "synthetic",
        ["preview", StillModel()],
        options={"count": 2},
        subsets=["object-level"],
        metrics=["md-vid[dis]"],
        out="runs/first",
    )

    print(found.markdown())
    print(found.value("md-vid[dis]", model="preview", subset="object-level"))
    for row in found.rows(model="preview"):
        print(row.item, row.metric, row.value, row.unit)
    again = Results.load("runs/first")
    # --8<-- [end:benchmark]
    # fmt: on
    assert again == found
    assert not found.faults
    still = found.value("md-vid[dis]", model="still", subset="object-level")
    preview = found.value("md-vid[dis]", model="preview", subset="object-level")
    assert still.value is not None
    assert preview.value is not None
    assert preview.value < still.value


def test_the_steps(desk: Path) -> None:
    # fmt: off
    # --8<-- [start:evaluate]
    import kinema
    from kinema.evaluation import evaluate

    motion = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(48, 39), (48, 30)])])
    items = [("launch", "photo.jpg", motion)]  # name, photo, motion
    metric = kinema.Plugins.installed().build(kinema.offers.METRIC, "trajectory-distance")

    with kinema.Session("preview") as session:
        found = evaluate(
            lambda photo, motion, seed: session.animate(photo, motion, seed=seed),
            items,
            {"trajectory-distance": metric},
            seeds=range(2),
        )

    print(found.markdown())
    # --8<-- [end:evaluate]
    # fmt: on
    assert not found.failed
    assert found.summary["trajectory-distance"].count == 2
