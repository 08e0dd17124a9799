"""The tests of durafix, one folder a room; kit holds what several share."""
