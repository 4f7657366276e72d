"""Clients of the internal APIs of our services."""
