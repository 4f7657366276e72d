"""Two large conversations that become one under traffic, while the process that moves their messages is killed."""
