"""How many messages a business number may carry in a second, by its level.

Meta's page "Throughput" of the Cloud API: 80 messages per second by default, 1,000 after an upgrade, 20 for a number
that is in use with the WhatsApp Business app as well; inbound and outbound messages of all types together.
"""

COEXISTENCE = 20
HIGH = "HIGH"
LEVELS = {"STANDARD": 80, HIGH: 1_000, "NOT_APPLICABLE": 80}
"""`throughput.level` → messages per second. Meta gives no figure for the last one: it counts as the default."""


def messages_per_second(level: str, *, on_biz_app: bool, own: int = 0) -> int:
    """Messages per second that a number may carry; `own` is a limit set by a test, 0 for none."""
    return own or (COEXISTENCE if on_biz_app else LEVELS[level])
