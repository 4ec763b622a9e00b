"""Every picture of the corpus ends as it must, soon, and in little memory."""

from __future__ import annotations

import resource
import time

import pytest

from models.errors import ImageError
from models.images import decode
from tests.hostile.pictures import HEIGHT, READ, REASONS, WIDTH, Picture, pictures

CASES = pictures()
#: What a line of 20 Mpx cameras may set.
MAX_PIXELS = 20_000_000
#: Decoding what is allowed takes this at most, on a busy machine.
LIMIT_S, LIMIT_MIB = 5.0, 400


def test_no_two_are_called_alike() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_read_right_or_refused_with_a_reason(case: Picture) -> None:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        pixels = decode(case.data, max_pixels=MAX_PIXELS)
    except ImageError as error:
        found = error.reason
    else:
        found = READ if pixels.shape == (HEIGHT, WIDTH, 3) else "other size"
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024

    assert found in case.expected & (REASONS | {READ, "other size"})
    assert time.monotonic() - began < LIMIT_S
    assert grown_mib < LIMIT_MIB
