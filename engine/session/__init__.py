"""The session core: the FIX session layer as a pure function.

``step(state, input, number, at)`` decides and returns events and effects; ``evolve(state, event,
number, at)`` is the only writer of state, live and on replay. No clock, no I/O, no randomness:
whatever the core learns is an input, and whatever it changes is an event. docs/session.md shows the
machines and the answers.
"""
