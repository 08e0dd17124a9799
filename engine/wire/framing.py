"""Receiving: bytes from the network to frames. The names here come from the codec that runs,
compiled or not.

- ``Decoder().feed(data)`` gives a list of ``Frame`` and ``Garbled`` in the order of the wire, for
  any split.
- ``parse(data)`` reads exactly one message and raises ``Malformed``.
- ``Frame`` is one message with its raw bytes; it checks framing, checksum and that each field has a
  number, and nothing that a dictionary or a session would have to know.

``_pure.py`` explains how a stream is cut and why.
"""

from __future__ import annotations

from ._backend import NATIVE, Decoder, Frame, parse
from .errors import Garbled, Malformed, Reason

__all__ = ["NATIVE", "Decoder", "Frame", "Garbled", "Malformed", "Reason", "parse"]
