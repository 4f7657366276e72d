"""Fetching files from URLs that callers name, from the public internet alone."""
