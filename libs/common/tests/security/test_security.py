"""Secrets at rest: what is sealed opens in its own place with its own key, and nowhere else."""

import base64
import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.http import auth
from common.security import keys as keys_command
from common.security.key_ring import KEY_BYTES, KeyRing, KeyRingSettings, SecretsError, _parts, place_of
from common.security.verify_tokens import VerifyDigestSettings, digests_of, sign_token

OLD, NEW, OTHER = (bytes([n]) * KEY_BYTES for n in (1, 2, 3))
SECRET = "fake-token-éß"
PLACE = place_of("shop-bot", "accessToken")
RING = KeyRing({"old": OLD}, "old")


def text_of(key):
    return base64.b64encode(key).decode()


def settings_of(**keks):
    return KeyRingSettings(accounts_keks=keks, accounts_primary_kek=next(iter(keks)))


def everything_about(error):
    """All that a log or a traceback would show of an error and of what led to it."""
    shown = []
    while error is not None:
        shown += [str(error), repr(error), repr(error.args)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ".join(shown)


@given(secret=st.text(), chatbot=st.text(min_size=1), field=st.text())
def test_what_is_sealed_opens_in_its_place(secret, chatbot, field):
    place = place_of(chatbot, field)
    assert RING.open(RING.seal(secret, place), place) == secret


@given(secret=st.text(min_size=8))
def test_a_sealed_secret_does_not_show_it(secret):
    sealed = RING.seal(secret, PLACE)
    assert secret.encode() not in b"".join(part for part in sealed.values() if isinstance(part, bytes))


def test_the_same_secret_is_never_sealed_to_the_same_bytes():
    first, second = RING.seal(SECRET, PLACE), RING.seal(SECRET, PLACE)
    assert all(first[name] != second[name] for name in ("wrapped", "nonce", "ciphertext"))


def nonces_of(sealed):
    return sealed["nonce"], sealed["wrapped"][:12]


def test_no_nonce_is_used_twice_for_a_secret_or_for_a_data_key():
    """Two messages under one key and nonce give the key of GCM's authentication away (NIST SP 800-38D, 8)."""
    many = [RING.seal(SECRET, PLACE) for _ in range(50)]
    rotated = [KeyRing({"old": OLD, "new": NEW}, "new").rewrap(sealed, PLACE) for sealed in many]
    nonces = [nonce for sealed in many for nonce in nonces_of(sealed)]
    nonces += [nonces_of(sealed)[1] for sealed in rotated]
    assert len(set(nonces)) == len(nonces) == 150


def test_each_secret_has_a_data_key_of_its_own():
    keys = {RING._unwrap(_parts(RING.seal(SECRET, PLACE), PLACE), PLACE) for _ in range(10)}
    assert len(keys) == 10
    assert OLD not in keys
    assert {len(key) for key in keys} == {KEY_BYTES}


@pytest.mark.parametrize("length", [0, 1, 16, KEY_BYTES - 1, KEY_BYTES + 1])
def test_a_key_of_another_length_makes_no_ring(length):
    with pytest.raises(SecretsError, match=f"{length} bytes"):
        KeyRing({"old": OLD, "new": bytes(length)}, "old")


@pytest.mark.parametrize(
    "elsewhere",
    [
        place_of("other-bot", "accessToken"),
        place_of("shop-bot", "webhookVerifyToken"),
        place_of("shop-bot/accessToken", ""),
        PLACE + " ",
    ],
)
def test_a_sealed_secret_that_was_copied_elsewhere_does_not_open(elsewhere):
    with pytest.raises(SecretsError, match="does not open"):
        RING.open(RING.seal(SECRET, PLACE), elsewhere)


def test_no_two_chatbots_and_fields_share_a_place():
    assert place_of("a", "b/c") != place_of("a/b", "c")


@given(part=st.sampled_from(["wrapped", "nonce", "ciphertext"]), position=st.integers(0, 11), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_refused(part, position, bit):
    sealed = RING.seal(SECRET, PLACE)
    changed = bytearray(sealed[part])
    changed[position] ^= 1 << bit
    with pytest.raises(SecretsError) as caught:
        RING.open({**sealed, part: bytes(changed)}, PLACE)
    assert SECRET not in everything_about(caught.value)


def test_swapped_ciphertexts_are_refused():
    one, two = RING.seal("fake-one", PLACE), RING.seal("fake-two", PLACE)
    with pytest.raises(SecretsError, match="was changed or belongs elsewhere"):
        RING.open({**one, "nonce": two["nonce"], "ciphertext": two["ciphertext"]}, PLACE)


_junk = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.binary(max_size=80) | st.lists(st.none())


@pytest.mark.parametrize("act", [RING.open, KeyRing({"old": OLD, "new": NEW}, "new").rewrap])
@given(
    changed=st.dictionaries(st.sampled_from(["v", "kek", "wrapped", "nonce", "ciphertext"]), _junk, min_size=1),
    gone=st.booleans(),
)
def test_what_is_not_sealed_is_a_secrets_error(act, changed, gone):
    sealed = RING.seal(SECRET, PLACE)
    broken = {k: v for k, v in sealed.items() if k not in changed} if gone else sealed | changed
    looked_at = {"v", "kek", "wrapped"} if act is not RING.open else set(sealed)  # re-wrapping opens no ciphertext
    try:
        act(broken, PLACE)
    except SecretsError:
        return
    assert all(type(broken[name]) is type(sealed[name]) and broken[name] == sealed[name] for name in looked_at)


@pytest.mark.parametrize("nonce", [b"", b"x", b"x" * 7, b"x" * 11, b"x" * 13, b"x" * 1_000, None, "x" * 12, 12])
@pytest.mark.parametrize("act", [RING.open, RING.rewrap])
def test_a_nonce_of_another_length_is_refused(act, nonce):
    with pytest.raises(SecretsError):
        act({**RING.seal(SECRET, PLACE), "nonce": nonce}, PLACE)


@pytest.mark.parametrize(
    "sealed", [None, "", b"", [], 5, {}, {"v": 1}, {"v": True, "kek": "old"}, {"v": 1, "kek": ["old"]}]
)
def test_what_is_no_sealed_object_is_refused(sealed):
    for act in (RING.open, RING.rewrap):
        with pytest.raises(SecretsError):
            act(sealed, PLACE)


def test_a_data_key_of_another_length_is_refused():
    """Wrapped by our own key, as only a fault of ours could: the cipher's own error must not come out."""
    for length in (0, 16, 31, 33):
        wrapped = {**RING.seal(SECRET, PLACE), **RING._wrap(b"k" * length, PLACE)}
        with pytest.raises(SecretsError):
            RING.open(wrapped, PLACE)


def test_an_unknown_format_is_named():
    with pytest.raises(SecretsError, match="unknown format 2"):
        RING.open({**RING.seal(SECRET, PLACE), "v": 2}, PLACE)


def test_a_key_that_is_not_configured_is_named():
    with pytest.raises(SecretsError, match="`old`, which is not configured"):
        KeyRing({"new": NEW}, "new").open(RING.seal(SECRET, PLACE), PLACE)


def test_another_key_under_the_same_id_does_not_open():
    with pytest.raises(SecretsError, match="key-encryption key `old`: another key") as caught:
        KeyRing({"old": OTHER}, "old").open(RING.seal(SECRET, PLACE), PLACE)
    shown = everything_about(caught.value)
    assert SECRET not in shown
    assert repr(OTHER) not in shown


def test_of_several_keys_the_old_one_opens_and_the_primary_one_seals():
    both = KeyRing({"old": OLD, "new": NEW}, "new")
    assert both.open(RING.seal(SECRET, PLACE), PLACE) == SECRET
    assert both.seal(SECRET, PLACE)["kek"] == "new"


def test_rewrapping_changes_the_wrapping_alone_and_makes_the_old_key_needless():
    sealed = RING.seal(SECRET, PLACE)
    renewed = KeyRing({"old": OLD, "new": NEW}, "new").rewrap(sealed, PLACE)
    assert {name for name in sealed if sealed[name] != renewed[name]} == {"kek", "wrapped"}
    assert KeyRing({"new": NEW}, "new").open(renewed, PLACE) == SECRET


def test_rewrapping_twice_does_nothing():
    assert RING.rewrap(RING.seal(SECRET, PLACE), PLACE) is None


def test_rewrapping_elsewhere_is_refused():
    both = KeyRing({"old": OLD, "new": NEW}, "new")
    with pytest.raises(SecretsError):
        both.rewrap(RING.seal(SECRET, PLACE), place_of("other-bot", "accessToken"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (base64.b64encode(b"fake-but-short").decode(), "key-encryption key `bad` has 14 bytes; it needs 32"),
        (base64.b64encode(b"f" * 33).decode(), "key-encryption key `bad` has 33 bytes; it needs 32"),
        ("fake key, not base64!", "key-encryption key `bad` is not base64"),
        ("fäke", "key-encryption key `bad` is not base64"),
    ],
)
def test_settings_refuse_an_unusable_key_and_do_not_show_it(text, sentence):
    with pytest.raises(ValidationError, match=sentence) as caught:
        settings_of(bad=text)
    assert text not in everything_about(caught.value)


def test_settings_from_the_environment_do_not_show_a_key_they_refuse(monkeypatch):
    text = base64.b64encode(b"fake-but-short").decode()
    monkeypatch.setenv("ACCOUNTS_KEKS", json.dumps({"bad": text}))
    with pytest.raises(ValidationError) as caught:
        KeyRingSettings()
    assert text not in everything_about(caught.value)


def test_settings_refuse_a_primary_key_that_is_not_there():
    with pytest.raises(ValidationError, match="`new` is not among the keys"):
        KeyRingSettings(accounts_keks={"old": text_of(OLD)}, accounts_primary_kek="new")


def test_settings_want_to_know_which_of_several_keys_seals():
    keks = {"old": text_of(OLD), "new": text_of(NEW)}
    with pytest.raises(ValidationError, match="ACCOUNTS_PRIMARY_KEK must name one of its 2 keys"):
        KeyRingSettings(accounts_keks=keks)
    assert KeyRingSettings(accounts_keks=keks, accounts_primary_kek="new").key_ring().primary == "new"


def test_settings_hide_their_keys():
    assert text_of(OLD) not in repr(settings_of(old=text_of(OLD)))


def test_the_keys_command_prints_settings_that_work(capsys, monkeypatch):
    assert keys_command.main(["new", "--id", "2026-01"]) == 0
    for line in capsys.readouterr().out.splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    ring = KeyRingSettings().key_ring()
    assert ring.primary == "2026-01"
    assert ring.open(ring.seal(SECRET, PLACE), PLACE) == SECRET


def test_the_keys_command_draws_a_key_for_verify_tokens(capsys, monkeypatch):
    assert keys_command.main(["new", "--for", "verify-digest", "--id", "2026-01"]) == 0
    for line in capsys.readouterr().out.splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    settings = VerifyDigestSettings()
    keys = settings.digest_keys()
    assert {sign_token(keys, SECRET)} == digests_of(keys, SECRET)
    assert keys.primary == "2026-01"
    assert text_of(keys.keys["2026-01"]) not in repr(settings) + repr(keys)


@pytest.mark.parametrize("value", ["c2hvcnQ=", "no base64"])
def test_a_verify_digest_key_that_is_refused_is_not_shown(value):
    with pytest.raises(ValidationError, match="VERIFY_DIGEST_KEYS") as caught:
        VerifyDigestSettings(verify_digest_keys={"v": value})
    assert value not in str(caught.value)


def test_the_keys_command_draws_another_key_each_time(capsys):
    keys_command.main(["new"])
    keys_command.main(["new"])
    first, _, second, _ = capsys.readouterr().out.splitlines()
    assert first != second


def test_the_auth_command_prints_a_key_and_the_entry_that_accepts_it(capsys, monkeypatch):
    assert auth.main(["--name", "shop", "--scopes", "send,read", "--chatbots", "shop-bot"]) == 0
    key, entry = (line.split(": ", 1)[1] for line in capsys.readouterr().out.splitlines())
    assert key not in entry
    assert hashlib.sha256(key.encode()).hexdigest() in entry
    monkeypatch.setenv("API_KEYS", f"[{entry}]")
    accepted = auth.ApiKeySettings().api_keys
    found = auth.authenticate(f"Bearer {key}", {known.sha256: known for known in accepted})
    assert (found.name, found.scopes, found.chatbots) == ("shop", {"send", "read"}, {"shop-bot"})


@pytest.mark.parametrize("module", ["common.security.keys", "common.http.auth"])
def test_the_commands_explain_themselves(module):
    done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True)
    assert f"python -m {module}" in done.stdout
