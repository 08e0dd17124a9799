"""What is remembered to be fast: pure functions of their arguments that keep their last answer.

These are no state of the session. They change no result, take part in no digest, and each belongs
to one session, so that nothing is shared. Most frames carry the second of the frame before them;
parsing it again would cost as much as the rest of the step.
"""

from __future__ import annotations

from ..wire.values import NS_PER_S, parse_utc_timestamp

_SECOND_CHARS = 17  # YYYYMMDD-HH:MM:SS


class SecondReader:
    """Reads SendingTime (52) to the second; the fraction is checked for form and cut."""

    __slots__ = ("_ns", "_text")

    def __init__(self) -> None:
        self._text = b""
        self._ns = 0

    def __call__(self, text: bytes) -> int:
        """UTC ns of the whole second; ``BadValue`` (a ValueError) if it is no UTCTimestamp."""
        if text[:_SECOND_CHARS] == self._text:
            # The usual fractions are none and three digits; others take the long way.
            fraction = text[_SECOND_CHARS:]
            if not fraction or (
                len(fraction) == 4 and fraction[0] == 46 and fraction[1:].isdigit()
            ):
                return self._ns
        ns = parse_utc_timestamp(text)
        self._ns = ns - ns % NS_PER_S
        self._text = text[:_SECOND_CHARS]
        return self._ns
