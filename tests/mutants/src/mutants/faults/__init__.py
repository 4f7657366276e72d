"""The faults, as data: each module here has a tuple `FAULTS`."""
