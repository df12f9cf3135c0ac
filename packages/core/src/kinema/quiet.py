"""Keeping other libraries' words and progress bars off the screen while they load for us.

What matters of them, kinema says in its own words: an error, or a note.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

#: Libraries with verbosity and progress bars of their own, in Hugging Face's manner.
CHATTY = ("diffusers", "transformers")


@contextmanager
def quiet(*libraries: str) -> Iterator[None]:
    """Let ``libraries`` report errors alone, by exceptions and logs, and draw no bars.

    They are as they were afterwards: a product may want to hear them elsewhere.

    Args:
        libraries: of :data:`CHATTY`; those that are not installed are passed over.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in libraries:
            try:
                log = importlib.import_module(f"{name}.utils.logging")
            except ImportError:
                continue
            stack.callback(log.set_verbosity, log.get_verbosity())
            if log.is_progress_bar_enabled():
                stack.callback(log.enable_progress_bar)
            log.set_verbosity_error()
            log.disable_progress_bar()
        yield
