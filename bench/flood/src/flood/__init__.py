"""A flooding tenant and a quiet one on the same sender: measured, not asserted."""
