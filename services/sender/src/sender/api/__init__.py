"""The HTTP API: sends, batches, files, and how a send stands."""
