"""Upkeep: what is done beside the batches. Old documents are removed, and the messages of merged conversations move."""
