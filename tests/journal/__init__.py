"""Tests of the journal: bytes, disk, writer, reader, index."""
