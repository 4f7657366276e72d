"""Measures the CPU cost of calls to the Graph API, compared with a raw protocol and other HTTP clients."""
