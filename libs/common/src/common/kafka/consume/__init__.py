"""Reading topics: exclusive partitions, followers, tables and progress."""
