"""Webhook verification: who may ask, and which tokens are known."""
