"""Errors of the ingest package."""

from __future__ import annotations


class IngestError(Exception):
    """Root of everything ingest raises on purpose."""


class SourceError(IngestError):
    """Raised when a source cannot be opened or read; the message says what to do."""


class CameraLost(SourceError):
    """Raised when a live camera stops delivering pictures."""


class EncodingError(IngestError):
    """Raised when a picture cannot be encoded for the stream."""


class StreamFull(IngestError):
    """Raised when a line's stream takes neither a frame nor a notice in its place."""

    def __init__(self, line: str) -> None:
        super().__init__(
            f"the frame stream of line {line!r} is full: start more scoring workers, "
            "or raise its limits"
        )
        self.line = line


class FrameTooLarge(IngestError):
    """Raised when one encoded frame is larger than the whole stream may be."""

    def __init__(self, size_bytes: int, max_bytes: int) -> None:
        super().__init__(
            f"the encoded frame has {size_bytes} bytes, the stream may hold {max_bytes}: "
            "raise stream_max_bytes, or encode smaller frames"
        )
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class MessageError(IngestError):
    """Raised when a stream entry is not a valid frame message; `field` names the field at fault."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"stream entry: field {field!r} {problem}")
        self.field = field
        self.problem = problem
