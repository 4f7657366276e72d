"""Keyed digests: signing, checking, rotating, and keys that are refused."""

import base64

import pytest
from pydantic import SecretStr

from common.security.digests import DigestKeys, digest_keys

OLD, NEW = b"o" * 32, b"n" * 32


def test_a_digest_is_known_again_by_its_own_key_purpose_and_parts():
    keys = DigestKeys({"old": OLD}, "old")
    key_id, digest = keys.sign("callback", "a", "b")
    assert key_id == "old"
    assert len(digest) == 64
    assert keys.verify(key_id, digest, "callback", "a", "b")


@pytest.mark.parametrize(
    ("key_id", "purpose", "parts"),
    [
        ("other", "callback", ("a", "b")),
        ("old", "verify", ("a", "b")),
        ("old", "callback", ("a",)),
        ("old", "callback", ("ab", "")),
        ("old", "callback", ("", "ab")),
        ("old", "callback", ("b", "a")),
        ("old", "callback", ("a|1:b",)),
    ],
)
def test_a_digest_of_anything_else_is_refused(key_id, purpose, parts):
    keys = DigestKeys({"old": OLD}, "old")
    _, digest = keys.sign("callback", "a", "b")
    assert not keys.verify(key_id, digest, purpose, *parts)


@pytest.mark.parametrize("digest", ["", "0" * 64, "é" * 64, "\ud83d" * 8, "A" * 63])
def test_a_digest_that_is_none_is_refused(digest):
    assert not DigestKeys({"old": OLD}, "old").verify("old", digest, "callback", "a")


def test_keys_rotate():
    before = DigestKeys({"old": OLD}, "old")
    prepared = DigestKeys({"old": OLD, "new": NEW}, "old")
    after = DigestKeys({"old": OLD, "new": NEW}, "new")
    last = DigestKeys({"new": NEW}, "new")
    signed_before, signed_after = before.sign("p", "x"), after.sign("p", "x")
    assert signed_before != signed_after
    for keys in (before, prepared, after):
        assert keys.verify(*signed_before, "p", "x")
    for keys in (prepared, after, last):
        assert keys.verify(*signed_after, "p", "x")
    assert not last.verify(*signed_before, "p", "x")
    assert after.digests("p", "x") == dict([signed_before, signed_after])


@pytest.mark.parametrize(
    ("value", "primary", "says"),
    [
        ({}, "", "it has no key"),
        ({"a": OLD, "b": NEW}, "", "2 keys"),
        ({"a": OLD}, "b", "`b` is not among"),
        ({"a": b"short"}, "", "5 bytes"),
        ({"a b": OLD}, "", "key id"),
        ({"a" * 17: OLD}, "", "key id"),
    ],
)
def test_keys_that_could_not_sign_are_refused_with_the_name_of_the_setting(value, primary, says):
    given = {name: SecretStr(base64.b64encode(key).decode()) for name, key in value.items()}
    with pytest.raises(ValueError, match=says) as refused:
        digest_keys(given, primary, "SOME_KEYS")
    assert "SOME_KEYS" in str(refused.value)


def test_what_is_not_base64_is_refused_without_being_shown():
    with pytest.raises(ValueError, match="not base64") as refused:
        digest_keys({"a": SecretStr("not-a-key!")}, "", "SOME_KEYS")
    assert "not-a-key" not in str(refused.value)


def test_keys_are_not_shown():
    assert "oooo" not in repr(DigestKeys({"a": OLD}, "a"))
