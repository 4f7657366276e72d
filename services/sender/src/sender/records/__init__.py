"""What a record on the send topics says: pure."""
