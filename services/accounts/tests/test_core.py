"""What a change of an account means."""

from datetime import UTC, datetime

import pytest

from accounts.core import AccountRequest, Keys, change_for, deactivation, event_of, renewed_digest, rewrapped, view_of
from common.contracts.envelope import encode
from common.errors import InvalidInput
from common.security.digests import DigestKeys
from common.security.key_ring import KEY_BYTES, KeyRing, SecretsError, place_of
from common.security.verify_tokens import digests_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RING = KeyRing({"k": b"k" * KEY_BYTES}, "k")
DIGESTS = DigestKeys({"v1": b"1" * KEY_BYTES}, "v1")
ROTATED = DigestKeys({"v1": b"1" * KEY_BYTES, "v2": b"2" * KEY_BYTES}, "v2")
KEYS = Keys(RING, DIGESTS)
REQUEST = {
    "chatbotId": "bot",
    "phoneNumberId": "106540352242922",
    "accessToken": "fake-access-token",
    "webhookVerifyToken": "fake-verify-token",
}


def document(**changes):
    change = change_for(AccountRequest.model_validate(REQUEST), KEYS, NOW, existing=False)
    return {"_id": "bot", "revision": 1, "createdAt": NOW, "plan": "standard", **change.fields, **changes}


@pytest.mark.parametrize("missing", ["accessToken", "webhookVerifyToken"])
def test_a_new_account_needs_both_secrets_and_an_update_does_not(missing):
    request = AccountRequest.model_validate({k: v for k, v in REQUEST.items() if k != missing})
    with pytest.raises(InvalidInput, match=missing):
        change_for(request, KEYS, NOW, existing=False)
    assert missing not in change_for(request, KEYS, NOW, existing=True).fields


def test_a_new_access_token_clears_the_rejection_and_activates():
    change = change_for(AccountRequest.model_validate(REQUEST), KEYS, NOW, existing=True)
    assert "tokenRejected" in change.removed
    assert change.fields["status"] == "active"
    only_plan = AccountRequest.model_validate({"chatbotId": "bot", "phoneNumberId": "106540352242922", "plan": "free"})
    assert change_for(only_plan, KEYS, NOW, existing=True).removed == ()


def test_secrets_are_sealed_and_neither_shown_nor_told():
    stored = document()
    for text in (repr(stored), view_of(stored).model_dump_json(), encode(event_of(stored, NOW)).decode()):
        assert "fake-access-token" not in text
        assert "fake-verify-token" not in text
    assert RING.open(stored["accessToken"], place_of("bot", "accessToken")) == "fake-access-token"
    told = event_of(stored, NOW).data
    assert {(told.verify_digest.key, told.verify_digest.hmac)} == digests_of(DIGESTS, "fake-verify-token")
    assert told.verify_token is None


def test_an_event_s_id_is_that_of_its_revision():
    assert event_of(document(), NOW).id == event_of(document(plan="free"), NOW).id
    assert event_of(document(), NOW).id != event_of(document(revision=2), NOW).id


def test_deactivation_and_rejection_are_visible():
    stored = document(**deactivation(NOW).fields, tokenRejected={"code": 190, "at": NOW})
    view = view_of(stored)
    assert (view.status, view.token_status, view.token_rejected_code) == ("deactivated", "rejected", 190)
    assert not event_of(stored, NOW).data.active


def test_rewrapping_finds_the_secrets_of_an_older_key():
    ring = KeyRing({"k": b"k" * KEY_BYTES, "k2": b"2" * KEY_BYTES}, "k2")
    renewed = rewrapped(document(), ring)
    assert set(renewed) == {"accessToken", "webhookVerifyToken"}
    assert rewrapped(document() | renewed, ring) == {}


SALTED = {"salt": "00ff", "sha256": "fake"}


def digest_under(keys, document):
    stored = document["verifyDigest"]
    return (stored["key"], stored["hmac"]) in digests_of(keys, "fake-verify-token")


def test_a_digest_under_the_primary_key_is_left_alone():
    assert renewed_digest(document(), KEYS) is None
    assert renewed_digest({"_id": "bot", "revision": 1}, KEYS) is None  # without a token there is nothing to digest


@pytest.mark.parametrize(
    "old",
    [
        {"verifyDigest": None, "verifyTokenDigest": SALTED},
        {"verifyDigest": None},
        {},
        {"verifyDigest": {"key": "v2", "hmac": "of another token"}, "verifyTokenDigest": SALTED},
    ],
    ids=["salted", "none", "an older key", "an older version has stored another token since"],
)
def test_any_other_digest_is_renewed_from_the_sealed_token(old):
    before = {name: value for name, value in document(**old).items() if value is not None}
    change = renewed_digest(before, Keys(RING, ROTATED))
    assert change.removed == ("verifyTokenDigest",)
    assert set(change.fields) == {"verifyDigest"}
    assert change.fields["verifyDigest"]["key"] == "v2"
    assert digest_under(ROTATED, change.fields)


def test_a_digest_is_not_renewed_from_a_token_that_does_not_open():
    with pytest.raises(SecretsError):
        renewed_digest(document(), Keys(KeyRing({"k2": b"2" * KEY_BYTES}, "k2"), ROTATED))


def test_the_salted_digest_is_told_only_while_there_is_no_other():
    before = {name: value for name, value in document(verifyTokenDigest=SALTED).items() if name != "verifyDigest"}
    assert event_of(before, NOW).data.verify_token is not None
    assert event_of(document(verifyTokenDigest=SALTED), NOW).data.verify_token is None
