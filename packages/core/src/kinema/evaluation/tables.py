"""Scores as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from kinema.evaluation.results import ScoreRow
from kinema.extras import require
from kinema.files import write_atomically


def write_parquet(path: Path, scores: Sequence[ScoreRow]) -> Path:
    """One row per score; the columns are the fields of :class:`ScoreRow`.

    Raises:
        ExtraError: pyarrow is not installed.
        InputError: the folder cannot be written.
    """
    require("pyarrow", "kinema[evaluation]", "Writing scores as Parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"seed": pa.int64(), "value": pa.float64()}
    names = [field.name for field in attrs.fields(ScoreRow)]
    schema = pa.schema([(name, types.get(name, pa.string())) for name in names])
    columns = {name: [getattr(row, name) for row in scores] for name in names}
    table = pa.table(columns, schema=schema)
    return write_atomically(path, lambda part: pq.write_table(table, part))
