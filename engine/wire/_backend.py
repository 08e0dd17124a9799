"""Which codec runs: the compiled one, or its twin in Python. The only place that chooses.

``DURAFIX_PURE`` is read by journal/_backend.py, once for the whole program: the pure part reads no
environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...journal._backend import PURE, warn_slow

__all__ = ["NATIVE", "PURE", "Decoder", "Frame", "checksum", "encode", "parse"]

# The type checkers see the pure twin; stubtest and the differential test hold the compiled one to
# it.
if TYPE_CHECKING:
    from ._pure import Decoder, Frame, checksum, encode, parse

    NATIVE: bool
elif PURE:
    from ._pure import Decoder, Frame, checksum, encode, parse

    NATIVE = False
else:
    try:
        from ._codec import Decoder, Frame, checksum, encode, parse

        NATIVE = True
    except ImportError:
        from ._pure import Decoder, Frame, checksum, encode, parse

        NATIVE = False
        warn_slow("engine/wire/_codec")
