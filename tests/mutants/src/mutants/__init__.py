"""Small faults in copies of the code, each of which a test has to find: `python -m mutants --help`."""
