"""From what was measured to how many cameras that is, with headroom."""

from __future__ import annotations

from dataclasses import dataclass

#: What is left of the model's own rate where cameras, Redis, database and image store share the
#: cores with it, of the detector that loses most: `python -m bench overhead`, the system / the
#: better plain loops.
PIPELINE_SHARE = 0.81
#: How busy a line may be planned to be: parts come in bursts, and near full load frames wait long.
LOAD_SHARE = 0.70


@dataclass(frozen=True)
class Rate:
    """What so many scoring processes do at the same time when frames always wait."""

    processes: int
    #: Frames/s of all together, in batches as large as a worker takes.
    batch_fps: float
    #: Frames/s of all together, one frame at a time.
    single_fps: float
    #: Time of one frame by itself, decoding included.
    single_ms_p50: float
    single_ms_p99: float


@dataclass(frozen=True)
class Tried:
    """How frames fared that came as cameras send them, at the rate that is carried."""

    #: How long frames came.
    seconds: float
    #: From a frame's arrival to its score, waiting included.
    latency_ms_p50: float
    latency_ms_p99: float
    #: How long after that time the last of them had its score; below 0: before.
    late_s: float

    @property
    def kept_up(self) -> bool:
        """Whether the frames were scored as fast as they came."""
        return self.late_s <= max(1.0, 0.05 * self.seconds)


@dataclass(frozen=True)
class Capacity:
    """The answer, and what it rests on."""

    rates: list[Rate]
    tried: Tried

    @property
    def best(self) -> Rate:
        """The number of processes that scores most."""
        return best_of(self.rates)

    @property
    def carried_fps(self) -> float:
        """Frames/s that may be planned with."""
        return carried_fps(self.best)


def best_of(rates: list[Rate]) -> Rate:
    """The one that scores most frames, the first of equals."""
    return max(rates, key=lambda rate: rate.batch_fps)


def carried_fps(rate: Rate) -> float:
    """Frames/s that may be planned with, where so much was measured."""
    return rate.batch_fps * PIPELINE_SHARE * LOAD_SHARE


def whole_cameras(carried: float, fps: float) -> int:
    """How many cameras of `fps` frames/s each make at most `carried` frames/s."""
    return int(carried / fps)
