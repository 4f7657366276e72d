"""`wa erase`: erases a person from every collection, on their request (docs/decisions/0019)."""
