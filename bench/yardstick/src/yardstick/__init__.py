"""The yardstick: how fast the services are, beside honest baselines."""
