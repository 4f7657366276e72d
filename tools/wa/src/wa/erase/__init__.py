"""`wa erase`: takes a person out of every collection, on their request (docs/decisions/0019)."""
