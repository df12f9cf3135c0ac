"""The same work on a Ray cluster, or on a local Ray where none is named."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kinema.clips.preparation.config import TRIES
from kinema.clips.preparation.shards import Job, Outcome, work
from kinema.errors import Cancelled, InputError, KinemaError
from kinema.extras import require
from kinema.interfaces import ClipItem


def run(
    job: Job,
    todo: Sequence[tuple[int, Sequence[ClipItem]]],
    cancel: Callable[[], bool],
) -> Iterator[Outcome]:
    """Make each shard as a task of Ray.

    A task takes one CPU of the cluster, and one GPU where the job computes on one: every GPU of the
    cluster if the device is ``auto``. As many run at once as the job says, or as there are.

    Ray is started on this machine unless it runs already or ``RAY_ADDRESS`` names a cluster. The
    folder of the job must be one that all nodes share.

    Raises:
        ExtraError: Ray is not installed.
        InputError: the cluster has no GPU and one is asked for.
        KinemaError: a shard failed, or Ray did.
        Cancelled: ``cancel`` said so.
    """
    require("ray", "kinema[ray]", "The engine 'ray'")
    import ray

    started = not ray.is_initialized()
    if started:
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises plain ones when its processes do not come up
            raise KinemaError(f"Ray could not be started: {error}") from error
    try:
        yield from _outcomes(job, todo, cancel)
    except ray.exceptions.RayError as error:
        raise KinemaError(
            f"Ray could not finish the preparation: {str(error).strip().splitlines()[-1]} Finished "
            "shards stay; run the same again to go on."
        ) from error
    finally:
        if started:
            ray.shutdown()


def share(device: str, cluster: Mapping[str, float]) -> int:
    """How many GPUs of a cluster with these resources a task takes: 0 or 1.

    Ray hides GPUs from tasks that do not take one.

    Raises:
        InputError: ``device`` is a GPU, and there is none.
    """
    there = cluster.get("GPU", 0) >= 1
    if device.startswith("cuda") and not there:
        raise InputError(
            f"The device {device!r} cannot be used: the Ray cluster has no GPU. Add a node with "
            "one, or prepare on the device 'cpu'."
        )
    return int(there and (device == "auto" or device.startswith("cuda")))


def _outcomes(
    job: Job,
    todo: Sequence[tuple[int, Sequence[ClipItem]]],
    cancel: Callable[[], bool],
) -> Iterator[Outcome]:
    """One task per shard; Ray tries a shard again whose worker or node is lost."""
    import ray

    cluster = ray.cluster_resources()
    gpus = share(job.config.device, cluster)
    workers = job.config.workers or max(1, int(cluster["GPU"] if gpus else cluster.get("CPU", 1)))
    make = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=TRIES - 1)(work)
    told = ray.put(job)
    waiting = list(reversed(todo))
    running: list[Any] = []
    while waiting or running:
        while waiting and len(running) < workers:
            running.append(make.remote(told, *waiting.pop()))
        ready, running = ray.wait(running, timeout=0.5)
        if cancel():
            raise Cancelled("The preparation was cancelled; finished shards stay.")
        for reference in ready:
            try:
                outcome: Outcome = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            yield outcome
