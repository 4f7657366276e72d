"""Measures a flooding tenant and quiet ones on the same sender."""
