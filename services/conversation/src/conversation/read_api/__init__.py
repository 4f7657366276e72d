"""The read API: inboxes, threads, messages, logs and usage."""
