"""What a journal says after the fact: opening, verifying, repairing and replaying it.

It folds events that it cannot read: whoever understands them hands in a ``Fold``.
"""
