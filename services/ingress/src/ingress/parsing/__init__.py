"""From the bytes of a webhook body to its smallest facts. Pure."""
