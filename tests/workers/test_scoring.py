"""Decoding and scoring a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from rq.timeouts import JobTimeoutException

from models.detector import Scores
from workers.scoring import Judged, ModelScorer, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ingest.frame import Frame
    from tests.workers.conftest import BrightnessDetector


def test_every_frame_gets_its_own_score_in_order(
    detector: BrightnessDetector, make_frame: Callable[..., Frame]
) -> None:
    outcomes = ModelScorer(detector, max_pixels=10_000).score([make_frame(0.2), make_frame(0.6)])

    # 0.2 * 255 = 51 and 0.6 * 255 = 153, both whole numbers.
    assert [o.score for o in outcomes if isinstance(o, Judged)] == pytest.approx([0.2, 0.6])
    assert detector.calls == [2]


def test_a_frame_that_is_no_image_is_refused_and_harms_no_other(
    detector: BrightnessDetector, make_frame: Callable[..., Frame]
) -> None:
    frames = [make_frame(0.2), make_frame(image=b"not an image"), make_frame(0.6)]

    good, bad, also_good = ModelScorer(detector, max_pixels=10_000).score(frames)

    assert isinstance(good, Judged)
    assert isinstance(also_good, Judged)
    assert isinstance(bad, Refused)
    assert bad.reason == "not_an_image"


def test_an_image_with_too_many_pixels_is_refused(
    detector: BrightnessDetector, make_frame: Callable[..., Frame]
) -> None:
    [outcome] = ModelScorer(detector, max_pixels=100).score([make_frame(0.2)])

    assert isinstance(outcome, Refused)
    assert outcome.reason == "too_large"


class FailsOnBright:
    """A detector whose batch fails as a whole if one image in it is white."""

    def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
        if any(image.max() == 255 for image in images):
            raise RuntimeError("white")
        return Scores(np.zeros(len(images), np.float32), np.zeros((len(images), 2, 2), np.float32))


def test_a_failing_batch_is_split_until_the_frame_at_fault_stands_alone(
    make_frame: Callable[..., Frame],
) -> None:
    frames = [make_frame(0.1), make_frame(0.1), make_frame(1.0), make_frame(0.1), make_frame(0.1)]

    outcomes = ModelScorer(FailsOnBright(), max_pixels=10_000).score(frames)

    assert [isinstance(o, Judged) for o in outcomes] == [True, True, False, True, True]
    assert outcomes[2] == Refused("scoring_failed", "RuntimeError: white")


def test_the_jobs_time_limit_is_not_taken_for_a_bad_image(
    make_frame: Callable[..., Frame],
) -> None:
    class OutOfTime:
        def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
            raise JobTimeoutException

    with pytest.raises(JobTimeoutException):
        ModelScorer(OutOfTime(), max_pixels=10_000).score([make_frame(), make_frame()])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_refused(
    make_frame: Callable[..., Frame], value: float
) -> None:
    class Broken:
        def score(self, images: Sequence[NDArray[np.uint8]]) -> Scores:
            scores = np.array([0.1, value], np.float32)
            return Scores(scores, np.zeros((2, 2, 2), np.float32))

    good, bad = ModelScorer(Broken(), max_pixels=10_000).score([make_frame(), make_frame()])

    assert isinstance(good, Judged)
    assert isinstance(bad, Refused)
    assert bad.reason == "scoring_failed"
