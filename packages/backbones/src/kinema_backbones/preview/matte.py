"""How much of each pixel a region covers, where its mask says only yes or no."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.outline import distances, half_width, segmented
from kinema_backbones.preview.pyramid import Array, Mask

#: Pixels of a region's surroundings up to which its outline is looked for at full size.
SEARCHED = 200_000

#: Coverage nearer than this to nothing or to all is noise of a compressed mask.
NOISE = 0.04

#: A mask is soft where at least this many pixels are grey, for each pixel of its outline.
GREY = 0.5

#: Blur of a lens, in pixels, before the photo's own edges refine it.
LENS = 0.7

#: The guided filter: half the side of its window, the least variance of a colour that counts as an
#: edge, and pixels on either side of the outline in which a pixel may be partly covered.
WINDOW, VARIANCE, BAND = 3, 1e-4, 2.0

#: Pixels that are worked on at once.
AT_ONCE = 2**18


def matte(photo: Array, inside: Mask, cover: Array, blocked: Mask, held: Mask) -> Array:
    """The share of each pixel that belongs to a region, ``(h, w)``.

    A grey mask is taken at its word. Of one that is black and white, the outline is first looked
    for nearby (:func:`~kinema_backbones.preview.outline.segmented`), since a mask is drawn by hand;
    around it, a guided filter (He, Sun and Tang 2010) reads from the photo how much of a pixel is
    covered.

    Args:
        photo: ``(h, w, 3)``.
        inside: ``(h, w)``, the region.
        cover: ``(h, w)``, its mask in grey levels from 0 to 1.
        blocked: ``(h, w)``, pixels of other regions, that it cannot have.
        held: ``(h, w)``, where the mask cuts through the object, see :func:`segmented`.
    """
    if not inside.any() or inside.all():
        return inside.astype(np.float32)
    if is_soft(inside, cover):
        level = (cover - NOISE) / (1 - 2 * NOISE)
        return np.where(blocked & ~inside, 0.0, level.clip(0.0, 1.0)).astype(np.float32)
    scale = coarseness(Box(0, 0, inside.shape[1], inside.shape[0]))
    if scale == 1:
        solid = segmented(photo, inside, blocked, held).astype(np.float32)
    else:
        size = (max(1, inside.shape[1] // scale), max(1, inside.shape[0] // scale))
        small, *masks = (
            np.asarray(
                cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32
            )
            for part in (photo, inside, blocked, held)
        )
        found = segmented(small, masks[0] >= 0.5, masks[1] >= 0.5, masks[2] > 0).astype(np.float32)
        large = cv2.resize(found, inside.shape[::-1], interpolation=cv2.INTER_LINEAR)
        solid = np.asarray(large, np.float32)
    solid = np.where(blocked & ~inside, 0.0, solid).astype(np.float32)
    refined = _refined(photo, solid, scale)
    return np.where(blocked & ~inside, 0.0, refined).astype(np.float32)


def coarseness(around: Box) -> int:
    """By how much a region and its surroundings are made smaller to look for its outline."""
    return max(1, round(math.sqrt(around.width * around.height / SEARCHED)))


def feathered(alpha: Array, feather: float) -> Array:
    """``alpha`` (h, w), fading over ``feather`` pixels; over less where the region is thin."""
    solid = alpha >= 0.5
    if feather <= 0 or not solid.any() or solid.all():
        return alpha
    inward = distances(solid)[0]
    width = np.minimum(feather, 0.5 * half_width(solid, inward))
    return np.asarray(alpha * np.clip(inward / np.maximum(width, 1.0), 0.0, 1.0), np.float32)


def own_colour(photo: Array, alpha: Array, behind: Array) -> Array:
    """The colour of the region alone, ``(h, w, 3)``, also where a pixel shows what is behind it.

    What is ``behind`` (h, w, 3) is taken out of mixed pixels; where little is left, the nearest
    solid pixel says the colour.
    """
    top = cv2.dilate(alpha, np.ones((5, 5), np.uint8))
    solid = (alpha >= 0.9 * top) & (alpha > 0.3)
    if solid.all() or not solid.any():
        return photo
    owners = nearest(solid)
    planes = [part.reshape(-1, part.shape[-1]) for part in (photo, alpha[..., None], behind)]

    def pure(index: Any) -> Array:
        colours, level, below = (plane[index] for plane in planes)
        share = np.maximum(level, 0.25)
        return np.asarray(np.clip((colours - (1 - share) * below) / share, 0.0, 1.0), np.float32)

    result = np.empty_like(planes[0])
    for first in range(0, len(result), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        result[part] = pure(part)
        mixed = np.flatnonzero(~solid.ravel()[part]) + first
        # Colours taken apart are noisy, those from nearby are wrong where the object is patterned.
        trust = np.clip((planes[1][mixed] - 0.3) / 0.6, 0.0, 1.0)
        result[mixed] = trust * result[mixed] + (1 - trust) * pure(owners[mixed])
    return result.reshape(photo.shape)


def is_soft(inside: Mask, cover: Array) -> bool:
    """Whether the mask ``cover`` (h, w) of a region says how much of each pixel is covered."""
    kernel = np.ones((3, 3), np.uint8)
    outline = inside & (cv2.erode(inside.astype(np.uint8), kernel) == 0)
    grey = (cover > 2 * NOISE) & (cover < 1 - 2 * NOISE)
    return bool(grey.sum() >= GREY * max(int(outline.sum()), 1))


def _refined(photo: Array, solid: Array, scale: int) -> Array:
    """``solid`` (h, w), partly covered within :data:`BAND` pixels of its outline."""
    within = solid >= 0.5
    if not within.any() or within.all():
        return solid
    band = BAND * scale
    inward, outward = distances(within)
    near = (inward <= band) & (outward <= band)
    blurred = np.asarray(cv2.GaussianBlur(solid, (0, 0), LENS * scale), np.float32)
    reach = 2 * WINDOW * scale + 1
    result = within.astype(np.float32)
    box = box_of(near, reach)
    for strip in box.strips(AT_ONCE):
        # Two windows, one after the other, reach twice as far.
        top, bottom = max(strip.top - reach, box.top), min(strip.bottom + reach, box.bottom)
        around = Box(strip.left, top, strip.right, bottom)
        guided = guided_filter(around.of(photo), around.of(blurred), WINDOW * scale, VARIANCE)
        shown = strip.of(near)
        strip.of(result)[shown] = strip.within(around).of(guided).clip(0.0, 1.0)[shown]
    return result


def guided_filter(guide: Array, values: Array, radius: int, variance: float) -> Array:
    """``values`` (h, w) smoothed, but not across the edges of ``guide`` (h, w, 3).

    In every window of ``2 * radius + 1`` pixels the result is a linear function of the colour (He,
    Sun and Tang 2010, equations 14 to 16).
    """
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(picture: Array) -> Array:
        return np.asarray(cv2.blur(picture, size, borderType=cv2.BORDER_REFLECT), np.float32)

    colour, level = mean(guide), mean(values)
    r, g, b = (guide[..., channel] for channel in range(3))
    pairs = (
        mean(np.stack([r * r, r * g, r * b], axis=-1)),
        mean(np.stack([g * g, g * b, b * b], axis=-1)),
    )
    rr, rg, rb = (pairs[0][..., c] - colour[..., 0] * colour[..., c] for c in range(3))
    gg, gb = (pairs[1][..., c] - colour[..., 1] * colour[..., 1 + c] for c in range(2))
    bb = pairs[1][..., 2] - colour[..., 2] ** 2
    rr, gg, bb = rr + variance, gg + variance, bb + variance
    x, y, z = np.moveaxis(mean(guide * values[..., None]) - colour * level[..., None], -1, 0)
    # The inverse of the symmetric matrix of covariances, by its cofactors.
    first, second, third = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    area = np.maximum(rr * first + rg * second + rb * third, 1e-18)
    slope = np.stack(
        [
            first * x + second * y + third * z,
            second * x + (rr * bb - rb * rb) * y + (rb * rg - rr * gb) * z,
            third * x + (rb * rg - rr * gb) * y + (rr * gg - rg * rg) * z,
        ],
        axis=-1,
    )
    slope = (slope / area[..., None]).astype(np.float32)
    rest = level - (slope * colour).sum(-1)
    return np.asarray((mean(slope) * guide).sum(-1) + mean(rest), np.float32)
