"""Errors of the db package."""

from __future__ import annotations


class DbError(Exception):
    """Root of everything db raises on purpose."""


class DatabaseUnavailable(DbError):
    """Raised when the database cannot be reached or used; the message says what to check."""


class SchemaOutdated(DbError):
    """Raised when the database's migrations do not match this version of the program."""


class NotFound(DbError):
    """Raised when a named line, camera, model version or inspection does not exist."""


class Conflict(DbError):
    """Raised when a change contradicts what is already stored."""


class StoreError(DbError):
    """Raised when the image store cannot take or give an image; the message says what to check."""


class ImageMissing(StoreError):
    """Raised when the image store holds no image under a key: never stored, or not kept."""


class Forbidden(DbError):
    """Raised when someone may not make a change: unknown, disabled, or of a lesser role."""
