"""Phone numbers as people write them, and as Meta does. Pure."""
