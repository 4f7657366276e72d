"""In doubt: when the silence about a send counts, and what a status settles."""
