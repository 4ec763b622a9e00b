"""A line that is being taught, its frames with real pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db import teachings
from db.access import trusted
from db.lines import get_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.dashboard.conftest import Plant

ANNA = trusted("anna")


@pytest.fixture
def teach(plant: Plant) -> Callable[..., int]:
    """Starts to teach the line `press`, which has no model, and adds frames; the teaching's id."""

    def start(wanted: int = 30, there: int = 30) -> int:
        plant.add_line(model=False)
        with Session(plant.engine) as session, session.begin():
            teaching = teachings.start_teaching(
                session, get_line(session, "press"), frames=wanted, detector="patchcore", actor=ANNA
            )
            for number in range(there):
                teachings.add_frame(
                    session,
                    teaching,
                    frame_id=uuid7(),
                    image_key=plant.store.put(picture(number), ".png"),
                    part_id=None,
                    lot_id=None,
                )
            return teaching.id

    return start


def picture(number: int) -> bytes:
    """A disc, a little different each time; every tenth has a dark blot."""
    rng = np.random.default_rng(number)
    image = np.full((240, 320, 3), 60, np.uint8)
    centre = (160 + int(rng.integers(-8, 8)), 120 + int(rng.integers(-8, 8)))
    cv2.circle(image, centre, 84, (186, 180, 172), -1, cv2.LINE_AA)
    cv2.circle(image, centre, 30, (92, 90, 88), -1, cv2.LINE_AA)
    if number % 10 == 7:
        cv2.circle(image, (centre[0] + 52, centre[1] + 14), 15, (40, 42, 60), -1, cv2.LINE_AA)
    noisy = image.astype(np.int16) + rng.normal(0, 5, image.shape).astype(np.int16)
    encoded = cv2.imencode(".png", np.clip(noisy, 0, 255).astype(np.uint8))[1]
    return encoded.tobytes()
