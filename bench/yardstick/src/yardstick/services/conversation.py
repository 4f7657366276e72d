"""Conversation under load: it processes a full topic of messages."""

import sys

from yardstick.rig.program import Program, python
from yardstick.rig.rig import FAKE_KEYS, Rig, free_port


def conversation(rig: Rig, database: str, group: str, *, interpreter: str = sys.executable, **more: str) -> Program:
    """The service, of this commit or of the interpreter's; `more` are settings."""
    return rig.service(
        "conversation",
        python("conversation", interpreter=interpreter),
        free_port(),
        "/health/ready",
        MONGODB_DATABASE=database,
        CONSUMER_GROUP=group,
        API_KEYS="[]",
        CALLBACK_KEYS=FAKE_KEYS,
        **more,
    )
