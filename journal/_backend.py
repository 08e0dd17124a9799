"""Which twin runs: the compiled record module, or the same in Python. The only place that reads the
environment.

``DURAFIX_PURE`` (any non-empty value) asks for the pure twins on purpose, without a warning. A
missing compiled module is no error: the pure twin does the same work, slower, and one warning says
so.
"""

from __future__ import annotations

import os
import warnings

PURE = bool(os.environ.get("DURAFIX_PURE"))
"""True when the pure twins were asked for."""


def warn_slow(what: str) -> None:
    """Say once per module that the compiled twin is missing. Silent when the pure twins were asked
    for."""
    if not PURE:
        warnings.warn(
            f"durafix runs without compiled code ({what}); it is correct but slow. "
            "Install a C compiler and reinstall, or set DURAFIX_PURE=1 to silence this.",
            RuntimeWarning,
            stacklevel=3,
        )
