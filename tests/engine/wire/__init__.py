"""Tests of the codec, values and messages. Whatever exists twice is tested twice."""
