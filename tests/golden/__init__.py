"""Journals whose bytes never change again: what version 1 of the format looks like on disk."""
