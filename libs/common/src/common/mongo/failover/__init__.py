"""What callers notice of a change of primary: who it is, and reads that do not wait for it (docs/decisions/0051)."""
