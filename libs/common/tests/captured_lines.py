"""The log lines of a test, as a filter of outages lets them through."""

import logging
from contextlib import contextmanager


class Lines(logging.Handler):
    """What is logged."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)

    def said(self):
        return [record.getMessage() for record in self.records]


@contextmanager
def captured(lines_filter):
    """Every line from INFO on that `lines_filter` passes, during the block."""
    handler = Lines()
    handler.addFilter(lines_filter)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)
