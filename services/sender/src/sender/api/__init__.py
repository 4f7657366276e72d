"""The HTTP API: sends, batches, files, and the state of a send."""
