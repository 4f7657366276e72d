"""Which send goes next: lanes, fair shares, holds and memory. Pure and synchronous."""
