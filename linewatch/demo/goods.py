"""The training images as labelled samples of the demo's line, so that it can be trained again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import select

from db import samples
from db.tables import Sample, SampleLabel, SampleSource
from ingest.encoding import media_type_of
from ingest.frame import MEDIA_TYPE_SUFFIXES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.store import ImageStore
    from models.datasets import Dataset


def add_goods(session: Session, store: ImageStore, line_id: int, dataset: Dataset) -> int:
    """Add the good training images to a line that has no samples yet; returns how many.

    The first retraining looks at them, and keeps some apart to judge models by.

    Raises:
        DatasetError: if an image cannot be read.
        StoreError: if the image store cannot be used.
    """
    if session.scalar(select(Sample.id).where(Sample.line_id == line_id).limit(1)) is not None:
        return 0
    for sample in dataset.train:
        data = sample.read()
        suffix = MEDIA_TYPE_SUFFIXES[media_type_of(data, sample.path.suffix)]
        samples.add(
            session,
            line_id=line_id,
            # The same image is the same frame, however often the demo is started.
            frame_id=uuid5(NAMESPACE_URL, f"{dataset.name}/{sample.name}"),
            source=SampleSource.IMPORT,
            label=SampleLabel.GOOD,
            image_key=store.put(data, suffix),
            part_id=sample.path.stem,
        )
    return len(dataset.train)
