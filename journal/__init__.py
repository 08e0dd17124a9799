"""An append-only, checksummed journal of rotating segments. It knows records, streams, numbers and
bytes; not FIX."""
