"""`X-Hub-Signature-256` is checked over the bytes as they came, and fails closed."""

import hashlib
import hmac

import pytest

from common.security.signature import is_signed, signature_of

SECRET = b"fake-app-secret"
OTHER = b"fake-app-secret-of-yesterday"

# Bodies and their signatures with SECRET, computed with `openssl dgst -sha256 -hmac fake-app-secret`.
VECTORS = {
    "plain": (
        b'{"object":"whatsapp_business_account"}',
        b"sha256=d8e288914a210aeb824aaacc5fe85507dbc80c52120ec1a3bc473604cecca107",
    ),
    "escaped unicode": (
        rb'{"body":"h\u00e4user \ud83d\ude80"}',
        b"sha256=a925454f500997a3f90f21e0c7e6f8780a2e03a9c1a6a62e1717b5a999af44d7",
    ),
    "raw emoji": (
        '{"body":"häuser 🚀"}'.encode(),
        b"sha256=917c2be726af7940a19f2ccdf41e52e23e17b98eaebc6a1ac4a549f2910d61ea",
    ),
    "escaped slashes": (
        rb'{"url":"https:\/\/example.invalid\/a"}',
        b"sha256=2c7058e6ba8fe17d7da70f02d9356e4e878a6d2a1909cfd8237d8a2b7265b0cf",
    ),
    "not JSON": (b"\x00\xff\xfe", b"sha256=2d2cfccd3cb2f2f310465ed8fcb8cdc1a4bd41f291b912dd10957bc866d22769"),
    "empty": (b"", b"sha256=02205984c04fd8490b4edb2e8c9457cbffe460b10d3c2dd459e051a584cceed6"),
}
BODY, SIGNATURE = VECTORS["plain"]

every_vector = pytest.mark.parametrize(("body", "signature"), VECTORS.values(), ids=VECTORS)


@pytest.mark.feature("signature")
@every_vector
def test_metas_signature_is_accepted(body, signature):
    assert signature_of(body, SECRET) == signature
    assert is_signed(body, signature, [SECRET])


@every_vector
def test_one_changed_byte_is_refused(body, signature):
    for position in range(len(body)):
        changed = body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
        assert not is_signed(changed, signature, [SECRET])
    assert not is_signed(body + b" ", signature, [SECRET])


def test_every_digit_of_the_signature_counts():
    for position in range(len(b"sha256="), len(SIGNATURE)):
        digit = b"0" if SIGNATURE[position : position + 1] != b"0" else b"1"
        assert not is_signed(BODY, SIGNATURE[:position] + digit + SIGNATURE[position + 1 :], [SECRET])


def test_a_rewritten_body_is_another_body():
    escaped, raw = VECTORS["escaped unicode"], VECTORS["raw emoji"]
    assert not is_signed(raw[0], escaped[1], [SECRET])
    assert not is_signed(VECTORS["escaped slashes"][0].replace(rb"\/", b"/"), VECTORS["escaped slashes"][1], [SECRET])


def test_a_wrong_secret_is_refused():
    assert not is_signed(BODY, SIGNATURE, [OTHER])
    assert not is_signed(BODY, SIGNATURE, [SECRET + b"\n"])


@pytest.mark.parametrize("secrets", [[SECRET, OTHER], [OTHER, SECRET], [OTHER, b"third", SECRET]])
def test_any_of_several_secrets_is_enough(secrets):
    assert is_signed(BODY, SIGNATURE, secrets)


def test_without_a_secret_nothing_is_signed():
    assert not is_signed(BODY, SIGNATURE, [])
    assert not is_signed(BODY, signature_of(BODY, b""), [])
    assert not is_signed(BODY, signature_of(BODY, b""), [SECRET, b""])


REFUSED = {
    "missing": None,
    "empty": b"",
    "the prefix alone": b"sha256=",
    "short": SIGNATURE[:-1],
    "long": SIGNATURE + b"0",
    "upper case": b"sha256=" + SIGNATURE[7:].upper(),
    "upper-case prefix": b"SHA256=" + SIGNATURE[7:],
    "no prefix": SIGNATURE[7:] + b"0000000",
    "blank before": b" " + SIGNATURE[:-1],
    "not ASCII": b"sha256=" + b"\xff" * 64,
    "SHA-1": b"sha1=" + hmac.new(SECRET, BODY, hashlib.sha1).hexdigest().encode(),
    "a hash without a key": b"sha256=" + hashlib.sha256(BODY).hexdigest().encode(),
}


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED)
def test_a_header_that_is_no_signature_is_refused(header):
    assert not is_signed(BODY, header, [SECRET])
