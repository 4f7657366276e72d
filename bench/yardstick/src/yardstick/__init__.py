"""The yardstick: measures how fast the services are, compared with honest baselines."""
