"""Files that callers send: the form, and how much may be under way."""
