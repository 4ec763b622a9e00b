"""What the overload benchmark counts with."""

from __future__ import annotations

import time
from itertools import islice
from threading import Event

import pytest

from bench.overload import Supply, Watch, main


def test_pictures_that_nobody_took_in_time_are_made_and_skipped() -> None:
    supply = Supply("camera", [(b"picture", "image/png")])
    supply.rate = 100.0

    pictures = supply.pictures(Event())
    taken = []
    for picture in islice(pictures, 3):
        taken.append(picture)
        time.sleep(0.055)  # five more are due meanwhile

    assert supply.made == sum(1 + picture.skipped for picture in taken)
    assert taken[0].skipped + taken[1].skipped >= 4
    assert supply.longest_s >= 0.05


def test_growth_is_that_of_the_last_tenth_over_the_second() -> None:
    watch = Watch()
    for value in [99.0, *range(1, 10)]:  # a tenth is one value; the first warms up
        watch.note(worker_MiB=value)

    assert watch.rows() == [["worker MiB", "99", "+8.0"]]


@pytest.mark.parametrize("minutes", ["0", "-1", "nan"])
def test_minutes_that_are_none_are_an_error(
    minutes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--minutes", minutes])

    assert raised.value.code == 2
    assert "use more than 0" in capsys.readouterr().err
