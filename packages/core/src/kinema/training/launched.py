"""The engine of a process, as accelerate's launcher or its configuration set it up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kinema.errors import InputError
from kinema.extras import require
from kinema.training.config import TrainConfig
from kinema.training.engine import Engine
from kinema.training.zero import ZeroEngine


@contextmanager
def open_engine(config: TrainConfig) -> Iterator[Engine]:
    """The engine of this process; accelerate's own configuration says the rest (such as FSDP2).

    Raises:
        InputError: the precision is not possible here, DeepSpeed is absent or was asked for
            something else than ZeRO stage 1 or 2, or the batch does not divide.
        ExtraError: accelerate is not installed.
    """
    require("accelerate", "kinema[training]", "Training")
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState, PartialState
    from accelerate.utils import DistributedDataParallelKwargs, DistributedType

    zero = os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"
    try:
        accelerator = Accelerator(
            # DeepSpeed would turn the weights themselves into half precision.
            mixed_precision="no" if zero else config.precision,
            cpu=config.device == "cpu",
            gradient_accumulation_steps=config.accumulation,
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
    except ImportError as error:
        raise InputError(f"The training cannot be launched as it was asked for: {error}") from None
    except ValueError as error:
        raise InputError(
            f"precision = {config.precision!r} and device = {config.device!r} cannot be used "
            f"here: {error}"
        ) from None
    try:
        kind = ZeroEngine if accelerator.distributed_type == DistributedType.DEEPSPEED else Engine
        engine = kind(accelerator, config.precision)
        if config.batch % engine.world:
            raise InputError(
                f"A batch of {config.batch} clips cannot be shared evenly by {engine.world} "
                "processes; choose a multiple."
            )
        yield engine
    finally:
        # accelerate keeps its choices for the whole process; a second training makes its own.
        accelerator.free_memory()
        alone = accelerator.num_processes == 1
        AcceleratorState._reset_state(alone)
        GradientState._reset_state()
        if alone:
            PartialState._reset_state()
