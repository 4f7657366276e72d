"""Faults in `common`: clients and their settings, security."""

from typing import Final

from mutants.fault import Fault

_CLIENTS: Final = "libs/common/src/common/kafka/clients.py"
_CLIENT_TESTS: Final = ("libs/common/tests/test_client_settings.py",)
_SIGNATURE: Final = "libs/common/src/common/security/signature.py"

FAULTS: Final = (
    Fault(
        name="common/kafka-producer-idempotence",
        file=_CLIENTS,
        before="enable_idempotence=True,",
        after="acks=1,",
        tests=_CLIENT_TESTS,
        why="a record that only the leader has is lost with it, and a retry writes twice",
    ),
    Fault(
        name="common/kafka-read-uncommitted",
        file=_CLIENTS,
        before='isolation_level="read_committed",  # never',
        after='isolation_level="read_uncommitted",  # never',
        tests=_CLIENT_TESTS,
        why="a service acts on records of a transaction that was aborted",
    ),
    Fault(
        name="common/signature-empty-secret",
        file=_SIGNATURE,
        before="valid |= bool(secret) and hmac",
        after="valid |= hmac",
        tests=("services/ingress/tests/test_signature.py",),
        why="an empty secret signs: any caller can do that",
    ),
    Fault(
        name="common/signature-first-secret",
        file=_SIGNATURE,
        before="for secret in secrets:",
        after="for secret in secrets[:1]:",
        tests=("services/ingress/tests/test_signature.py",),
        why="webhooks are refused while the app secret is changed",
    ),
    Fault(
        name="common/signature-of-nothing",
        file=_SIGNATURE,
        before="if header is None or len(header) != _LENGTH:",
        after="if header is not None and len(header) != _LENGTH:",
        tests=("services/ingress/tests/test_signature.py",),
        why="a request without a signature is an error of ours and not refused",
    ),
)
