"""What a change of an account means."""

from datetime import UTC, datetime

import pytest

from accounts.core import AccountRequest, change_for, deactivation, event_of, rewrapped, view_of
from common.contracts.envelope import encode
from common.errors import InvalidInput
from common.security.envelope import KEY_BYTES, KeyRing, place_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEYS = KeyRing({"k": b"k" * KEY_BYTES}, "k")
REQUEST = {
    "chatbotId": "bot",
    "phoneNumberId": "106540352242922",
    "accessToken": "fake-access-token",
    "webhookVerifyToken": "fake-verify-token",
}


def document(**changes):
    change = change_for(AccountRequest.model_validate(REQUEST), KEYS, "00ff", NOW, existing=False)
    return {"_id": "bot", "revision": 1, "createdAt": NOW, "plan": "standard", **change.fields, **changes}


@pytest.mark.parametrize("missing", ["accessToken", "webhookVerifyToken"])
def test_a_new_account_needs_both_secrets_and_an_update_does_not(missing):
    request = AccountRequest.model_validate({k: v for k, v in REQUEST.items() if k != missing})
    with pytest.raises(InvalidInput, match=missing):
        change_for(request, KEYS, "00", NOW, existing=False)
    assert missing not in change_for(request, KEYS, "00", NOW, existing=True).fields


def test_a_new_access_token_clears_the_rejection_and_activates():
    change = change_for(AccountRequest.model_validate(REQUEST), KEYS, "00", NOW, existing=True)
    assert change.removed == ("tokenRejected",)
    assert change.fields["status"] == "active"
    only_plan = AccountRequest.model_validate({"chatbotId": "bot", "phoneNumberId": "106540352242922", "plan": "free"})
    assert change_for(only_plan, KEYS, "00", NOW, existing=True).removed == ()


def test_secrets_are_sealed_and_neither_shown_nor_told():
    stored = document()
    for text in (repr(stored), view_of(stored).model_dump_json(), encode(event_of(stored, NOW)).decode()):
        assert "fake-access-token" not in text
        assert "fake-verify-token" not in text
    assert KEYS.open(stored["accessToken"], place_of("bot", "accessToken")) == "fake-access-token"
    assert event_of(stored, NOW).data.verify_token.matches("fake-verify-token")


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
