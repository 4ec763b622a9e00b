"""The folder a retraining works in."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from workers.errors import RetrainingError
from workers.retraining.workplace import LOCKLESS_S, workplace

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_removed_at_the_end_whatever_happened(tmp_path: Path) -> None:
    def work() -> None:
        with workplace(tmp_path / "line-4", 7) as place:
            (place / "file").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()

    assert list((tmp_path / "line-4").iterdir()) == []


def test_one_whose_process_lives_is_left_alone(tmp_path: Path) -> None:
    # The lock is the open file's, not the process's: this is as if another process held it.
    with workplace(tmp_path, 7) as first:
        with workplace(tmp_path, 8):
            assert first.is_dir()
        assert first.is_dir()


def test_one_that_was_killed_while_removing_itself_is_removed_later(tmp_path: Path) -> None:
    half_removed, just_made = tmp_path / ".retraining-1-ab", tmp_path / ".retraining-2-cd"
    for place in (half_removed, just_made):
        (place / "pictures").mkdir(parents=True)
    long_ago = time.time() - 2 * LOCKLESS_S
    os.utime(half_removed, (long_ago, long_ago))

    with workplace(tmp_path, 7):
        assert not half_removed.exists()
        assert just_made.exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RetrainingError, match="models_dir"), workplace(tmp_path / "file", 7):
        pass
