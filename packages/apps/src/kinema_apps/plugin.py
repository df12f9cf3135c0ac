"""What this package offers to kinema: nothing yet."""

from __future__ import annotations
