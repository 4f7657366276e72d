"""What Meta allows: rates, windows, outages, refusals."""
