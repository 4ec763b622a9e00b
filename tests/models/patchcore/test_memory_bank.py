"""The memory bank's rows, their images, and its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.errors import ArtifactError, ModelError
from models.patchcore.memory_bank import BANK_FILE, MemoryBank

if TYPE_CHECKING:
    from pathlib import Path


def bank(*source: int) -> MemoryBank:
    """A row for each source, its place as the value."""
    rows = np.arange(len(source), dtype=np.float32).repeat(2).reshape(-1, 2)
    return MemoryBank(rows, np.array(source, dtype=np.int32))


@pytest.mark.parametrize(
    ("gone", "rows", "source"),
    [
        ([0], [0, 2, 3, 5], [3, 1, 4, 1]),  # images 4, 2, 5, 2 move up by one
        ([5, 2], [0, 1, 4], [3, 0, 0]),
        ([1], [0, 1, 2, 3, 4, 5], [3, 0, 1, 4, 0, 1]),  # it had no row
        ([2, 2], [0, 1, 3, 4], [3, 0, 4, 0]),
    ],
)
def test_rows_of_some_images_go_and_the_others_move_up(
    gone: list[int], rows: list[int], source: list[int]
) -> None:
    left = bank(4, 0, 2, 5, 0, 2).without(gone)

    assert left.rows[:, 0].tolist() == rows
    assert left.source.tolist() == source
    assert left.source.dtype == np.int32


def test_something_must_remain() -> None:
    with pytest.raises(ModelError, match=r"no patch would remain.*forget fewer"):
        bank(3, 1, 3).without([1, 3])


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = bank(4, 0, 2)

    written.save(tmp_path)

    read = MemoryBank.load(tmp_path)
    np.testing.assert_array_equal(read.rows, written.rows)
    np.testing.assert_array_equal(read.source, written.source)


def test_a_bank_of_an_older_version_is_read(tmp_path: Path) -> None:
    rows = np.ones((2, 3), np.float32)
    save_file({"bank": rows, "chosen": np.array([7, 3])}, tmp_path / BANK_FILE)

    read = MemoryBank.load(tmp_path)

    np.testing.assert_array_equal(read.rows, rows)
    # Its images are not known, so they are nobody's.
    np.testing.assert_array_equal(read.without([0, 1, 3, 7]).rows, rows)


def test_a_file_without_a_bank_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"holds no memory bank.*train the model again"):
        MemoryBank.load(tmp_path)
    save_file({"weights": np.ones(2, np.float32)}, tmp_path / BANK_FILE)
    with pytest.raises(ArtifactError, match=r"holds no memory bank.*train the model again"):
        MemoryBank.load(tmp_path)
