"""Exit codes: what the end of a command means, as one table, and which error ends in which code.

Owns the numbers. Scripts test them for equality, so they never change their meaning and are no bit
sums. 0 and 1 keep the sense of grep; 3 is a verdict of its own, because "cannot tell" is neither
yes nor no.
"""

from __future__ import annotations

import enum
import errno

from ...journal.errors import Error


class Exit(enum.IntEnum):
    """What a command ends with."""

    OK = 0
    NO = 1
    USAGE = 2
    CANNOT_TELL = 3
    REPAIRED = 4
    REFUSED = 5
    ENVIRONMENT = 6
    INTERRUPTED = 130


MEANING: dict[Exit, tuple[str, str]] = {
    Exit.OK: ("clean, found, done", "nothing"),
    Exit.NO: (
        "a definite no: damage, no match, demo or drill failed, replay diverged",
        "read the findings; durafix explain CODE says what each one means",
    ),
    Exit.USAGE: (
        "the command or the configuration is wrong; nothing was done",
        "correct what the message names",
    ),
    Exit.CANNOT_TELL: (
        "no verdict: locked, unreadable, not a journal, or an unknown format",
        "remove the cause that the message names, then ask again",
    ),
    Exit.REPAIRED: ("damage was found and is gone", "keep the quarantine folder; verify once more"),
    Exit.REFUSED: (
        "refused: a live writer, or acknowledged records would be lost",
        "stop the writer, or restore the journal from a copy",
    ),
    Exit.ENVIRONMENT: (
        "the machine: I/O error, permission, read-only or full disk, address in use",
        "mend the machine; the journal was not harmed by the refusal",
    ),
    Exit.INTERRUPTED: ("interrupted by Ctrl-C", "run it again"),
}
"""code -> (what it means, what to do)."""

BY_CODE: dict[str, Exit] = {
    "config": Exit.USAGE,
    "unknown-session": Exit.USAGE,
    "session-name": Exit.USAGE,
    "usage": Exit.USAGE,
    "corrupt": Exit.NO,
    "diverged": Exit.NO,
    "malformed": Exit.NO,
    "no-such-record": Exit.NO,
    "rewound": Exit.NO,
    "cannot-tell": Exit.CANNOT_TELL,
    "format-unknown": Exit.CANNOT_TELL,
    "missing": Exit.CANNOT_TELL,
    "locked": Exit.REFUSED,
    "refused": Exit.REFUSED,
    "exists": Exit.REFUSED,
    "disk-full": Exit.ENVIRONMENT,
    "io-failed": Exit.ENVIRONMENT,
    "permission": Exit.ENVIRONMENT,
    "no-descriptors": Exit.ENVIRONMENT,
    "outcome-unknown": Exit.ENVIRONMENT,
    "listen": Exit.ENVIRONMENT,
    "os": Exit.ENVIRONMENT,
}
"""Code of an error -> exit code. What is not listed is the environment's: something outside went
wrong.
"""

LIBRARY_ONLY = frozenset(
    {
        "bad-type", "bad-value", "closed", "missing-tag", "not-logged-on", "refuse",
        "reserved-tag", "send-refused", "send-timeout", "stopped", "too-large",
    }
)  # fmt: skip
"""What only a caller of the library gets to see; no command ends with one of these."""

OS_WORDS: dict[int, tuple[str, str]] = {
    errno.EACCES: ("permission denied", "run it as the owner of the files, or ask for access"),
    errno.EPERM: ("permission denied", "run it as the owner of the files, or ask for access"),
    errno.EROFS: ("the file system is read-only", "mount it for writing, or use another folder"),
    errno.ENOSPC: ("no space left on the device", "free some space, then run it again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, then run it again"),
    errno.ENOENT: ("no such file or folder", "check the path"),
    errno.ENOTDIR: ("not a folder", "a journal is a folder; give its path"),
    errno.EIO: ("the disk reports an I/O error", "look at the machine's log before anything else"),
    errno.EADDRINUSE: ("the address is in use", "stop the other process, or choose another port"),
}
"""errno -> (message, hint)."""


def exit_of(error: Error) -> Exit:
    """The exit code of one of our errors."""
    return BY_CODE.get(error.code, Exit.ENVIRONMENT)


class OsError(Error):
    """An ``OSError`` in our words."""

    code = "os"

    @classmethod
    def of(cls, error: OSError) -> OsError:
        """Message and hint from the table, ``where`` from the file that the error names."""
        message, hint = OS_WORDS.get(error.errno or 0, (error.strerror or str(error), ""))
        return cls(message, where=str(error.filename or ""), hint=hint)
