"""The data engine: from videos to shards of clips that training reads.

::

    from kinema.clips.preparation.config import PrepareConfig
    from kinema.clips.preparation.engine import prepare

    report = prepare(PrepareConfig(source="synthetic", out="clips", backbone="tiny"))
"""
