"""The work on assigned partitions: read, dispatch, commit."""
