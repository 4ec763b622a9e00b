"""What a scoring worker is told: limits and times, with their units."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class ScoringConfig:
    """Limits and times of one scoring worker."""

    #: Frames scored in one go; batches grow up to this with the backlog. A CPU core gains nothing
    #: from larger ones, and every frame of a batch waits for all; a GPU wants 32 or 64.
    max_batch: int = 4
    #: How long a drain listens for another frame of its line before it ends.
    max_wait_ms: int = 50
    #: A drain hands over after this time, so that lines share workers and heartbeats go out.
    drain_budget_s: float = 10.0
    #: Frames of a worker that has been silent for this long are taken over by another.
    visibility_timeout_s: float = 30.0
    #: A frame delivered more often than this without a verdict goes to quarantine.
    max_deliveries: int = 5
    #: Images that declare more pixels are refused before they are decoded.
    max_image_pixels: int = 100_000_000
    #: How often a drain asks the database whether another model version is active.
    model_check_s: float = 1.0
    #: Models kept in memory, one a line; the one longest unused goes first.
    max_models: int = 8
    #: How long a drain keeps trying to commit before it gives its frames back.
    commit_patience_s: float = 20.0
    #: Besides flagged and audit frames, one PASS image a camera is kept this often; 0 keeps all.
    pass_image_interval_s: float = 1.0
    #: Longest side of a stored anomaly map.
    map_side_px: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 0 or (value == 0 and field.name != "pass_image_interval_s"):
                raise ValueError(f"{field.name} must be positive, got {value}")
