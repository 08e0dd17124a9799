"""Sending: fields to bytes. The names here come from the codec that runs, compiled or not.

``encode(begin_string, fields)`` writes 8, 9, the fields as given and 10. It trusts its caller on
order and values: ``Message.body_fields`` and ``values.to_bytes`` are where those are checked, once.
"""

from __future__ import annotations

from ._backend import checksum, encode

__all__ = ["checksum", "encode"]
