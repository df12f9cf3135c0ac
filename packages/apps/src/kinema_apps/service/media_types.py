"""The forms in which a video can be had; read by the server, which loads no torch."""

from __future__ import annotations

#: Media type by suffix.
MEDIA_TYPES = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "gif": "image/gif",
    "webp": "image/webp",
}
