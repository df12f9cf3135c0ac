"""The same work on a Ray cluster, or on a local Ray where none is named."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from kinema.errors import Cancelled, InputError, KinemaError
from kinema.interfaces import ClipItem
from kinema.preparation.shards import Job, Outcome, outcome_of, work


def run(
    job: Job,
    todo: Sequence[tuple[int, Sequence[ClipItem]]],
    workers: int,
    cancel: Callable[[], bool],
) -> Iterator[Outcome]:
    """Make the shards with Ray Data, as many at once as ``workers``.

    Ray is started on this machine unless it runs already or ``RAY_ADDRESS`` names a cluster. The
    folder of the job must be one that all nodes share.

    Raises:
        InputError: Ray is not installed.
        KinemaError: a shard failed, or Ray did.
        Cancelled: ``cancel`` said so.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise InputError(
            "The engine 'ray' needs Ray, which is not installed: pip install \"kinema[ray]\"."
        ) from None
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield from _rows(job, dict(todo), workers, cancel)
    except ray.exceptions.RayError as error:
        raise KinemaError(
            f"Ray could not finish the preparation: {str(error).strip().splitlines()[-1]} Finished "
            "shards stay; run the same again to go on."
        ) from error
    finally:
        if started:
            ray.shutdown()


def _rows(
    job: Job,
    slices: dict[int, Sequence[ClipItem]],
    workers: int,
    cancel: Callable[[], bool],
) -> Iterator[Outcome]:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    numbers = ray.data.from_items(sorted(slices), override_num_blocks=len(slices))
    maker: Any = _Maker
    made = numbers.map(
        maker,
        fn_constructor_args=(job, slices),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
        num_cpus=1,
    )
    for row in made.iter_rows():
        if row["error"]:
            raise pickle.loads(row["error"])
        yield outcome_of(json.loads(row["outcome"]))
        if cancel():
            raise Cancelled("The preparation was cancelled; finished shards stay.")


class _Maker:
    """What an actor of Ray Data holds: the tools are built at the first shard."""

    def __init__(self, job: Job, slices: dict[int, Sequence[ClipItem]]) -> None:
        self.job = job
        self.slices = slices

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        number = int(row["item"])
        try:
            outcome = work(self.job, number, self.slices[number])
        except KinemaError as error:
            # Raised here, Ray would wrap it and try again; what it says is for the caller.
            return {"outcome": "", "error": pickle.dumps(error)}
        return {"outcome": json.dumps(attrs.asdict(outcome)), "error": b""}
