"""Retention: messages, conversations and usage go once they are older than their account keeps them."""
