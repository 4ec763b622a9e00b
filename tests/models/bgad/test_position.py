"""The code of a position, number by number."""

from __future__ import annotations

import math

import pytest
import torch

from models.bgad.position import axis_code, position_code


def test_an_axis_is_coded_by_waves_that_get_slower() -> None:
    code = axis_code(3, 4)

    # Rates exp(-0 ln 10^4 / 4) = 1 and exp(-2 ln 10^4 / 4) = 0.01.
    expected = [
        [0.0, 1.0, 0.0, 1.0],
        [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)],
        [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)],
    ]
    torch.testing.assert_close(code, torch.tensor(expected))


def test_the_first_half_codes_the_column_and_the_second_the_row() -> None:
    codes = position_code(3, 5, 128)

    columns, rows = axis_code(5, 64), axis_code(3, 64)
    assert codes.shape == (15, 128)
    torch.testing.assert_close(codes[2 * 5 + 4], torch.cat([columns[4], rows[2]]))
    # Channel 2k + 1 of the row half, k = 3: cos(row * exp(-6 ln 10^4 / 64)).
    assert codes[5, 64 + 7].item() == pytest.approx(math.cos(10_000 ** (-6 / 64)))


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="width is 3, expected an even number"):
        axis_code(4, 3)
