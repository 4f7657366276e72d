"""Writing topics: acknowledged publishing and batches."""
