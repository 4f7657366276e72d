"""The journal: one entry per send, and what it says of a send."""
