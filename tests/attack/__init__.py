"""Attacks on the product as a whole: hostile peers on the wire, hostile files on the disk."""
