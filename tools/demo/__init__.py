"""The demo: two processes trade FIX over loopback, get killed, recover, and their journals are
reconciled.

``plan`` decides by seed, ``supervisor`` runs and kills, ``side`` is what runs in each process,
``ledger`` and ``reconcile`` judge the two journals, ``report`` says it to a person.
"""
