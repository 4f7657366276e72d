"""Conversation under load: it processes a full topic of messages."""

from yardstick.rig.program import Program, python
from yardstick.rig.rig import FAKE_KEYS, Rig, free_port


def conversation(rig: Rig, database: str, group: str, **more: str) -> Program:
    """The service."""
    return rig.service(
        "conversation",
        python("conversation"),
        free_port(),
        "/health/ready",
        MONGODB_DATABASE=database,
        CONSUMER_GROUP=group,
        API_KEYS="[]",
        CALLBACK_KEYS=FAKE_KEYS,
        **more,
    )
