"""The extension points.

A plugin is an installed distribution whose entry point in the group ``kinema`` names a module (or
any object) with functions marked :data:`hookimpl`. Two kinds of hooks exist and no other:

* **Offers** (:mod:`kinema.hooks.offers`) yield records. They are called once, and being installed
  only makes a thing available.
* **Events** (:mod:`kinema.hooks.events`) observe a run or a training. They are called only for
  plugins that it enables by name, and what they return is ignored. A plugin with an attribute
  ``observes_trainings`` that is True is also enabled by every training whose recipe says nothing of
  events.
"""

from __future__ import annotations

import pluggy

PROJECT = "kinema"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
