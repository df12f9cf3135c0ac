"""Feature caching across steps: an approximation, never on unless asked for.

The U-Net's deep levels change slowly from step to step (DeepCache, Ma et al. 2024). Between two
full calls only the finest level runs, on the deep levels' last output.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def call_with_cache(
    unet: Any,
    store: dict[str, Any],
    every: int,
    sample: Tensor,
    c_noise: Tensor,
    context: Tensor,
    added_time_ids: Tensor,
) -> Tensor:
    """The U-Net's output ``(B, T, 4, h, w)``; every ``every``-th call computes all of it.

    Args:
        store: what is kept between the calls of one video; empty before its first.
        sample: ``(B, T, 8, h, w)``.
    """
    videos, frames = sample.shape[:2]
    times = unet.time_proj(c_noise.expand(videos)).to(sample.dtype)
    ids = unet.add_time_proj(added_time_ids.flatten()).reshape(videos, -1).to(sample.dtype)
    told = unet.time_embedding(times) + unet.add_embedding(ids)
    shared: dict[str, Any] = {
        "temb": told.repeat_interleave(frames, dim=0),
        "image_only_indicator": sample.new_zeros(videos, frames),
    }
    context = context.repeat_interleave(frames, dim=0)

    x = unet.conv_in(sample.flatten(0, 1))
    deep, skips = _run(unet.down_blocks[0], shared, context, hidden_states=x)
    shallow = (x, *skips)
    calls = store.get("calls", 0)
    store["calls"] = calls + 1
    if calls % every == 0:
        store["deep"] = _deep(unet, shared, context, deep, shallow)
    last = unet.up_blocks[-1]
    kept = shallow[: len(last.resnets)]
    x = _run(last, shared, context, hidden_states=store["deep"], res_hidden_states_tuple=kept)
    x = unet.conv_out(unet.conv_act(unet.conv_norm_out(x)))
    output: Tensor = x.reshape(videos, frames, *x.shape[1:])
    return output


def _deep(
    unet: Any, shared: dict[str, Any], context: Tensor, x: Tensor, shallow: tuple[Tensor, ...]
) -> Tensor:
    skips = shallow
    for block in unet.down_blocks[1:]:
        x, more = _run(block, shared, context, hidden_states=x)
        skips += tuple(more)
    x = unet.mid_block(hidden_states=x, encoder_hidden_states=context, **shared)
    for block in unet.up_blocks[:-1]:
        count = len(block.resnets)
        x = _run(block, shared, context, hidden_states=x, res_hidden_states_tuple=skips[-count:])
        skips = skips[:-count]
    return x


def _run(block: Any, shared: dict[str, Any], context: Tensor, **inputs: Any) -> Any:
    if getattr(block, "has_cross_attention", False):
        return block(**inputs, **shared, encoder_hidden_states=context)
    return block(**inputs, **shared)
