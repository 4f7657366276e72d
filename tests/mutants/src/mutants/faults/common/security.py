"""Faults in `common.security`, `common.telemetry` and what else is common and has no driver."""

from typing import Final

from mutants.fault import Fault

_COMMON: Final = "libs/common/src/common"
_TESTS: Final = "libs/common/tests"
_RING: Final = f"{_COMMON}/security/key_ring.py"
_SIGNATURE: Final = f"{_COMMON}/security/signature.py"
_LOGS: Final = f"{_COMMON}/telemetry/logs.py"
_LETTERS: Final = f"{_COMMON}/kafka/consume/dlq_limit.py"

_EDGES: Final = (f"{_TESTS}/test_edges.py",)
_SECURITY: Final = (f"{_TESTS}/security/test_security.py",)
_SIGNATURES: Final = ("services/ingress/tests/test_signature.py",)
_LIMIT: Final = (f"{_TESTS}/kafka/consume/test_dlq_limit.py",)

FAULTS: Final = (
    Fault(
        "common/ring-constant-nonce",
        _RING,
        "nonce = os.urandom(_NONCE_BYTES)\n        ciphertext",
        "nonce = bytes(_NONCE_BYTES)\n        ciphertext",
        _SECURITY,
        "the nonce of a secret is no nonce",
    ),
    Fault(
        "common/ring-constant-nonce-of-wrapping",
        _RING,
        "nonce = os.urandom(_NONCE_BYTES)\n        wrapped",
        "nonce = bytes(_NONCE_BYTES)\n        wrapped",
        _SECURITY,
        "every data key is wrapped under one nonce: two of them give the key of GCM away",
    ),
    Fault(
        "common/ring-one-data-key",
        _RING,
        "data_key = AESGCM.generate_key(bit_length=KEY_BYTES * 8)",
        "data_key = self.keks[self.primary]",
        _SECURITY,
        "secrets are sealed by the key-encryption key itself",
    ),
    Fault(
        "common/ring-secret-of-any-place",
        _RING,
        "encrypt(nonce, secret.encode(), place.encode())",
        "encrypt(nonce, secret.encode(), None)",
        _SECURITY,
        "a sealed secret works at another account",
    ),
    Fault(
        "common/ring-wrapped-for-any-place",
        _RING,
        'return f"v{VERSION}|{kek_id}|{place}".encode()',
        'return f"v{VERSION}|{kek_id}".encode()',
        _SECURITY,
        "a wrapped data key works at another account",
    ),
    Fault(
        "common/ring-rewraps-nothing",
        _RING,
        "if parts.kek == self.primary:",
        "if parts.kek in self.keks:",
        _SECURITY,
        "an old key can never be removed",
    ),
    Fault(
        "common/ring-short-keys",
        _RING,
        "            if len(kek) != KEY_BYTES:",
        "            if not kek:",
        _SECURITY,
        "a key of a few bytes seals",
    ),
    Fault(
        "common/signature-empty-secret",
        _SIGNATURE,
        "valid |= bool(secret) and hmac",
        "valid |= hmac",
        _SIGNATURES,
        "an empty secret signs: any caller can do that",
    ),
    Fault(
        "common/signature-first-secret",
        _SIGNATURE,
        "for secret in secrets:",
        "for secret in secrets[:1]:",
        _SIGNATURES,
        "webhooks are refused while the app secret is changed",
    ),
    Fault(
        "common/signature-of-nothing",
        _SIGNATURE,
        "if header is None or len(header) != _LENGTH:",
        "if header is not None and len(header) != _LENGTH:",
        _SIGNATURES,
        "a request without a signature is an error of ours and not refused",
    ),
    Fault(
        "common/signature-of-a-prefix",
        _SIGNATURE,
        "hmac.compare_digest(signature_of(body, secret), header)",
        "hmac.compare_digest(signature_of(body, secret)[:32], header[:32])",
        _SIGNATURES,
        "a part of the digest is enough",
    ),
    # Logs
    Fault(
        "common/logs-fields-in-the-clear",
        _LOGS,
        "= redact(name, value)",
        "= value",
        _EDGES,
        "tokens and phone numbers are in logs",
    ),
    Fault(
        "common/logs-names-in-one-case",
        _LOGS,
        "lowered = name.lower()",
        "lowered = name",
        _EDGES,
        "`accessToken` and `Authorization` are in logs",
    ),
    Fault(
        "common/logs-driver-at-debug",
        _LOGS,
        "    root.setLevel(max(root.level, logging.INFO))\n",
        "",
        _EDGES,
        "at DEBUG the driver logs every document, with what people wrote",
    ),
    Fault(
        "common/logs-exceptions-quote",
        _LOGS,
        'fields["exception"] = traceback_of(record.exc_info[1])',
        'fields["exception"] = self.formatException(record.exc_info)',
        (f"{_TESTS}/mongo/test_mongo_errors.py",),
        "MongoDB's refusals put documents into logs",
    ),
    Fault(
        "common/tenants-without-bound",
        f"{_COMMON}/telemetry/tenants.py",
        "if len(self._named) < self._most:",
        "if True:",
        (f"{_TESTS}/telemetry/test_telemetry.py",),
        "each chatbot adds time series without end",
    ),
    # Dead letters
    Fault(
        "common/letters-without-limit",
        _LETTERS,
        "        if self._halted and letters:\n            raise",
        "        if False:\n            raise",
        _LIMIT,
        "a bad release drains a topic into the dead-letter queue",
    ),
    Fault(
        "common/letters-never-forgotten",
        _LETTERS,
        "            self._forget(begin)\n",
        "",
        _LIMIT,
        "a few dead letters a day halt a consumer in the end",
    ),
    Fault(
        "common/letters-whatever-their-share",
        _LETTERS,
        "if letters and letters > self._settings.dlq_limit_share * records:",
        "if letters:",
        _LIMIT,
        "a few bad records among many good ones halt a consumer",
    ),
    Fault(
        "common/tasks-cancelled-once",
        f"{_COMMON}/tasks.py",
        "_, pending = await asyncio.wait(pending, timeout=again_seconds)",
        "_, pending = await asyncio.wait(pending)",
        (f"{_TESTS}/test_tasks.py",),
        "a service never ends because a library lost a cancellation",
        hangs=True,
    ),
    Fault(
        "common/periodic-dies",
        f"{_COMMON}/tasks.py",
        "            except Exception:\n",
        "            except ValueError:\n",
        (f"{_TESTS}/test_tasks.py",),
        "one error ends a background task for good",
    ),
    Fault(
        "common/lifespan-leaves-parts-running",
        f"{_COMMON}/http/service/lifespans.py",
        "stack.push_async_callback(part.stop)",
        "pass",
        (f"{_TESTS}/http/service/test_lifespans.py",),
        "a running batch is cut off at each deployment",
    ),
)
