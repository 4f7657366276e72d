"""Conversation under load: a topic full of messages, worked off."""

from yardstick.rig.program import Program, python
from yardstick.rig.rig import FAKE_KEYS, Stand, free_port


def conversation(stand: Stand, database: str, group: str, **more: str) -> Program:
    """The service."""
    return stand.service(
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
