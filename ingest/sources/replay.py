"""Encoded pictures from memory or a generator, as they are: for the demo and for benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.sources.picture import EndlessSupply, Picture

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from threading import Event


class Replay(EndlessSupply):
    """Gives `(bytes, media type, part id)` one after the other, again and again if `repeat`.

    The iterable is gone through once a round: one that reads its files on demand keeps memory flat.
    """

    live = False

    def __init__(
        self,
        encoded: Iterable[tuple[bytes, str, str | None]],
        *,
        repeat: bool = False,
        label: str = "replay",
    ) -> None:
        if repeat and iter(encoded) is encoded:
            raise ValueError("an iterator can be gone through once only: give a list to repeat")
        self.label = label
        self._encoded = encoded
        self._repeat = repeat

    def pictures(self, stop: Event) -> Generator[Picture, None, None]:
        """The pictures in their order."""
        while True:
            empty = True
            for data, media_type, part_id in self._encoded:
                if stop.is_set():
                    return
                empty = False
                yield Picture(data, media_type, part_id)
            if empty or not self._repeat:
                return
