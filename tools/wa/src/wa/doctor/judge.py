"""The doctor's judgement of MongoDB, keys, tokens, clocks and services. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from common.http.auth import ApiKey, digest
from common.meta.onboarding import PERMISSION
from common.mongo.index_plan import Standing
from wa.doctor.findings import Finding, ok, problem, warning

_SOON: Final = timedelta(days=7)
_OLDEST_MONGODB: Final = (6, 0)
_CLOCKS_APART: Final = timedelta(seconds=5)

COPY_WAIT: Final = "oplogNetworkTimeoutBufferSeconds"
"""mongod's parameter: how much longer than half an election time-out a secondary waits for a silent source."""


def judge_hello(hello: Mapping[str, Any]) -> Finding:
    """Judges MongoDB's answer to `hello`."""
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        return problem(
            "mongodb",
            "it is not a replica set, so it has no transactions, and the services cannot write",
            "start it with --replSet rs0 and run rs.initiate() once; one member is enough",
        )
    if not (hello.get("isWritablePrimary") or hello.get("msg") == "isdbgrid"):
        return problem("mongodb", "there is no primary now", "bring a majority of the members back")
    members = len(hello.get("hosts", []))
    if members == 1:
        return warning(
            "mongodb", "the replica set has only one member, and its loss stops everything", "run three in production"
        )
    return ok("mongodb", f"the replica set has a primary and {members} members" if members else "a sharded cluster")


def judge_members(hosts: Iterable[str], answering: Iterable[tuple[str, int | None]]) -> list[Finding]:
    """Judges whether each member of the replica set answers us, not only the primary."""
    there = {f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in answering}
    silent = sorted(host for host in hosts if host.lower() not in there)
    if not silent:
        return []
    return [
        warning(
            "mongodb members",
            f"no answer from {', '.join(silent)}: there are fewer copies, and the loss of another may stop everything",
            "start what is down, or open the network policy; `rs.status()` says what the others see of it",
        )
    ]


def judge_version(version: str) -> Finding:
    """Judges whether this version of MongoDB is tested."""
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < _OLDEST_MONGODB:
        return problem("mongodb version", f"it is {version}", "upgrade: nothing older than 6.0 is tested")
    return ok("mongodb version", version)


def judge_clock(there: datetime, here: datetime) -> Finding:
    """Judges whether MongoDB's clock and ours agree. The caller has corrected for half of the round trip."""
    apart = abs(there - here)
    if apart > _CLOCKS_APART:
        return warning(
            "clock",
            f"this machine and MongoDB's are {apart.total_seconds():.0f} s apart, so retries and expiries are off",
            "let NTP set the clocks of all machines",
        )
    return ok("clock", f"within {_CLOCKS_APART.total_seconds():.0f} s of MongoDB's")


def judge_copy_wait(seconds: int, members: int) -> list[Finding]:
    """Judges how long writes lack a majority when the primary stands still (docs/decisions/0051)."""
    if members < 2 or seconds <= 1:
        return []
    return [
        warning(
            "mongodb copying",
            f"a secondary waits {seconds} s longer than it needs to for a primary that stands still: no write has a"
            " majority meanwhile",
            f"start each mongod with --setParameter {COPY_WAIT}=1",
        )
    ]


def judge_indexes(standings: Mapping[str, Mapping[str, Standing]]) -> list[Finding]:
    """Judges the states of each collection's indexes."""
    flat = {f"{collection}.{name}": how for collection, names in standings.items() for name, how in names.items()}
    wrong = sorted(name for name, how in flat.items() if how is Standing.OTHER)
    missing = sorted(name for name, how in flat.items() if how is Standing.MISSING)
    found = []
    if wrong:
        found.append(
            problem(
                "indexes",
                f"they differ from their declaration, so uniqueness or speed is lost: {', '.join(wrong)}",
                "`wa indexes plan` says how; `wa indexes apply` replaces them while the services run",
            )
        )
    if missing:
        found.append(
            warning(
                "indexes",
                f"missing: {', '.join(missing)}",
                "each service creates its own when it starts; `wa indexes ensure` creates all of them",
            )
        )
    return found or [ok("indexes", f"all {len(flat)} are as declared")]


def judge_keys(closed: Mapping[str, str], opened: int) -> Finding:
    """Judges the secrets: `closed` has the reason for each account that fails; `opened` counts the others."""
    if closed:
        chatbot, why = next(iter(sorted(closed.items())))
        return problem(
            "keys",
            f"the secrets of {len(closed)} of {len(closed) + opened} accounts cannot be decrypted; {chatbot}: {why}",
            "ACCOUNTS_KEKS must have every key that was ever primary, under its own id; get missing keys from your"
            " backup of the keys",
        )
    return ok("keys", f"the secrets of all {opened} accounts can be decrypted" if opened else "there is no account yet")


def judge_token(chatbot: str, inspected: Mapping[str, Any], now: datetime) -> Finding:
    """Judges Meta's `debug_token` answer for an account's access token (Meta, "Debug token")."""
    about, renew = f"token of {chatbot}", "make a system-user token that does not expire, and POST the account again"
    ends = inspected.get("expires_at")
    until = datetime.fromtimestamp(ends, tz=now.tzinfo) if isinstance(ends, int) and ends > 0 else None
    if until is not None and until <= now:
        return problem(about, f"it expired on {until:%Y-%m-%d %H:%M} UTC", renew)
    if not inspected.get("is_valid"):
        return problem(about, "Meta says that it is not valid: it expired, was revoked, or was never issued", renew)
    scopes = inspected.get("scopes")
    if isinstance(scopes, list) and PERMISSION not in scopes:
        return problem(about, f"it lacks the permission {PERMISSION}", renew)
    if until is not None and until - now < _SOON:
        return warning(about, f"it expires on {until:%Y-%m-%d %H:%M} UTC", renew)
    return ok(about, "Meta says that it is valid")


def judge_internal_key(setting: str, key: str, scope: str, accepted: Iterable[ApiKey]) -> Finding:
    """Judges whether another service accepts the key with which sender calls it."""
    about = setting.lower()
    entry = next((entry for entry in accepted if entry.sha256 == digest(key)), None)
    if entry is None or scope not in entry.scopes:
        says = "API_KEYS has no entry for it" if entry is None else f"its entry in API_KEYS lacks the scope {scope}"
        return problem(
            about,
            says,
            f"python -m common.http.auth --name sender --scopes {scope} makes a key and its entry: set {setting} and"
            " API_KEYS",
        )
    return ok(about, f"API_KEYS has it, with the scope {scope}")


def judge_ready(url: str, status: int, checks: Mapping[str, Any]) -> Finding:
    """Judges a service's answer under `/health/ready`."""
    if status == 200:
        return ok(url, "ready")
    failing = ", ".join(sorted(name for name, well in checks.items() if not well)) or f"HTTP {status}"
    return problem(url, f"not ready: {failing}", "docs/runbook.md: A process starts and never becomes ready")
