"""Scoring processes that are started, asked and ended together."""

from __future__ import annotations

import multiprocessing
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, cast

from linewatch.capacity.child import ChildConfig, Failed, Ready, run_child
from linewatch.errors import CapacityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from multiprocessing.sharedctypes import Synchronized

    from linewatch.capacity.loads import Load
    from models.detector import Progress


@dataclass(frozen=True)
class _Child:
    process: SpawnProcess
    pipe: Connection

    def answer(self) -> Any:
        """Wait for what it sends.

        Raises:
            CapacityError: if it says that it failed, or died.
        """
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            raise CapacityError(
                f"a scoring process ended by itself with exit code {self.process.exitcode}: "
                "ask for fewer --processes if memory is short"
            ) from None
        if isinstance(answer, Failed):
            raise CapacityError(answer.message)
        return answer


class ScoringProcesses:
    """Use `scoring_processes`."""

    def __init__(self, children: list[_Child], taken: Synchronized[int], runtime: str) -> None:
        self._children = children
        self._taken = taken
        #: What runs the model in them: `openvino` or `torch`.
        self.runtime = runtime

    def ask(self, load: Load, processes: int) -> list[Any]:
        """What the first `processes` of them make of `load`, all at the same time; others rest.

        Raises:
            CapacityError: if one of them fails or dies.
        """
        self._taken.value = 0
        asked = self._children[:processes]
        for child in asked:
            with suppress(ConnectionError):  # it died: its answer says so
                child.pipe.send(load)
        return list(_answers(asked))


def _answers(children: list[_Child]) -> Iterator[Any]:
    """What each sends, as it comes: one that died is noticed at once, whatever others wait for."""
    waiting = {child.pipe: child for child in children}
    while waiting:
        for pipe in wait(list(waiting)):
            yield waiting.pop(cast("Connection", pipe)).answer()


@contextmanager
def scoring_processes(
    count: int, config: ChildConfig, progress: Progress
) -> Iterator[ScoringProcesses]:
    """Start `count` processes, each with the model loaded and warm; ended when the block ends.

    Args:
        progress: called as progress("loading", done, count).

    Raises:
        CapacityError: if one of them fails or dies.
    """
    # Spawned, as workers are: each shares nothing with the others.
    context = multiprocessing.get_context("spawn")
    taken = context.Value("q", 0)
    children: list[_Child] = []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=run_child, args=(config, taken, theirs), daemon=True)
            process.start()
            theirs.close()  # so that the end of the process is the end of the pipe
            children.append(_Child(process, ours))
        ready: list[Ready] = []
        progress("loading", 0, count)
        for answer in _answers(children):
            ready.append(answer)
            progress("loading", len(ready), count)
        yield ScoringProcesses(children, taken, ready[0].runtime)
    finally:
        for child in children:
            child.process.terminate()
        for child in children:
            child.process.join()
            child.pipe.close()
