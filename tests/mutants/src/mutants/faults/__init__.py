"""The faults, as data: each module here, and in the packages here, has a tuple `FAULTS`."""
