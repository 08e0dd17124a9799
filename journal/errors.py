"""The root of the error tree.

An exception means that the world is at fault: a file, a disk, a peer, a caller's value. It carries
a stable ``code``, ``where`` it happened and a ``hint`` that says what to do next. Damage found on
disk is not an exception but a finding (recovery/findings.py); a bug of ours is an ``assert``.

    Error
      JournalError
        Corrupt         bytes that were durable are damaged
        CannotTell      the evidence does not allow a verdict (exit code 3)
        FormatUnknown   another format version, or no journal at all
        Locked          another process writes this journal
        DiskFull        no space for an append; the state passes by itself
        IoFailed        an fsync or write failed; latched until the journal is opened again
        TooLarge        a record beyond the limits
        Closed          the writer or reader was closed
        NoPermission    the files belong to somebody else, or the file system is read-only
        Missing         no such file or folder
        Exists          a file or folder of that name is there already
        NoDescriptors   too many open files; passes by itself, or raise the limit

Each room above grows its own branch from ``Error``.
"""

from __future__ import annotations

from typing import ClassVar


class Error(Exception):
    """Base of all errors that durafix raises on purpose.

    ``str(error)`` is the message alone; ``where`` names the place (``segment:offset``, a file, a
    session and number) and ``hint`` the next thing to do. Both may be empty.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint


class JournalError(Error):
    """Something is wrong with a journal or with the disk below it."""

    code = "journal"


class Corrupt(JournalError):
    """Bytes that some witness proves durable are damaged or gone."""

    code = "corrupt"


class CannotTell(JournalError):
    """The evidence does not allow a verdict: an unreadable place, or no witness left."""

    code = "cannot-tell"


class FormatUnknown(JournalError):
    """Not a journal, or one of a format that this version does not know."""

    code = "format-unknown"


class Locked(JournalError):
    """Another process holds the writer's lock."""

    code = "locked"


class DiskFull(JournalError):
    """No space left. Accepted events stay queued and are written when space returns."""

    code = "disk-full"


class IoFailed(JournalError):
    """A write or fsync failed. The outcome of what was waiting is unknown until recovery
    decides."""

    code = "io-failed"


class TooLarge(JournalError):
    """A payload or a step beyond the limits of the format."""

    code = "too-large"


class Closed(JournalError):
    """The object was closed before this call."""

    code = "closed"


class NoPermission(JournalError):
    """The files belong to somebody else, or the file system is read-only."""

    code = "permission"


class Missing(JournalError):
    """No such file or folder."""

    code = "missing"


class Exists(JournalError):
    """A file or folder of that name is there already."""

    code = "exists"


class NoDescriptors(JournalError):
    """Too many open files, in this process or in the system; it may pass."""

    code = "no-descriptors"
