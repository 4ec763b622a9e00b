"""Which pictures the demo's cameras see."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from linewatch.demo.cells import CellSource, Share, interleave, share_out
from linewatch.demo.ledger import Ledger
from models.datasets import Sample

PNG = b"\x89PNG\r\n\x1a\n"


def samples(good: int, defective: int) -> list[Sample]:
    parts = [("good", i) for i in range(good)] + [("crack", i) for i in range(defective)]
    return [Sample(f"{d}/{i}", Path(f"{d}-{i}.png"), d, None, "test") for d, i in parts]


def test_good_and_defective_are_spread_evenly() -> None:
    # Places of 4 good ones: 1/8, 3/8, 5/8, 7/8; of 2 defective ones: 1/4, 3/4.
    kinds = [sample.defect for sample in interleave(samples(4, 2))]

    assert kinds == ["good", "crack", "good", "good", "crack", "good"]


def test_the_order_is_mixed_but_always_the_same() -> None:
    names = [sample.name for sample in interleave(samples(50, 0))]

    assert names == [sample.name for sample in interleave(samples(50, 0)[::-1])]
    assert names != sorted(names)


def test_every_sample_is_shown_once_a_round() -> None:
    sequence = interleave(samples(7, 5))
    shares = share_out(sequence, 2, None)

    assert sorted(s.name for share in shares for s in share.samples) == sorted(
        s.name for s in sequence
    )


def test_each_camera_sees_good_and_defective_ones_even_if_these_alternate() -> None:
    for share in share_out(interleave(samples(6, 6)), 2, None):
        assert sum(s.is_anomalous for s in share.samples) == 3
        assert len(share.samples) == 6


def test_the_frames_wanted_are_dealt_out_to_the_last_one() -> None:
    sequence = interleave(samples(4, 3))

    for frames in (1, 6, 7, 8, 20, 700):
        counts = [share.frames for share in share_out(sequence, 2, frames)]
        assert sum(counts) == frames


def test_a_source_goes_round_enters_every_frame_and_counts_those_that_are_sent(
    tmp_path: Path,
) -> None:
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        path.write_bytes(PNG + path.name.encode())
    cells = [Sample(p.name, p, "good", None, "test") for p in paths]
    ledger = Ledger()
    source = CellSource(Share(cells, 3), ledger)

    pictures = list(source.pictures(Event()))
    source.done(pictures[0])

    assert [p.part_id for p in pictures] == ["a", "b", "a"]
    assert pictures[0].content == PNG + b"a.png"
    assert {p.media_type for p in pictures} == {"image/png"}
    assert len({p.frame_id for p in pictures}) == 3
    assert (ledger.sent, ledger.lost) == (1, 1)


def test_a_stopped_source_shows_nothing_more() -> None:
    stop = Event()
    stop.set()

    assert list(CellSource(Share(samples(1, 0), None), Ledger()).pictures(stop)) == []
