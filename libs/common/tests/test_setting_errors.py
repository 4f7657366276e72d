"""What is wrong with the settings: one sentence for each variable, with its format, and without what was given."""

import base64

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from common.http.auth import ApiKeySettings
from common.http.service.serve import HttpSettings
from common.security.callbacks import CallbackSettings
from common.security.key_ring import KeyRingSettings
from common.setting_errors import complaints, not_json

GOOD = base64.b64encode(bytes(32)).decode()
KEKS = 'expected: key-encryption keys as JSON: {"id": "<base64 of 32 bytes>"}'


def sentences(kind, monkeypatch, **given):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    try:
        kind()
    except ValidationError as error:
        return list(complaints(error, kind))
    except SettingsError as error:
        return [not_json(error, kind)]
    return []


@pytest.mark.parametrize(
    "given",
    ["", "fake-secret", "{", "[1", "{fake-secret: 1}", '{"fake-secret"}', "[]", "5", "null", '"fake-secret"', "{}",
     '{"k": "fake-secret"}', '{"k": 5}', '{"k": "c2hvcnQ="}', '{"k": null}', f'{{"a": "{GOOD}", "b": "{GOOD}"}}'],
)  # fmt: skip
def test_bad_keys_are_one_sentence_with_the_format(given, monkeypatch):
    (sentence,) = sentences(KeyRingSettings, monkeypatch, ACCOUNTS_KEKS=given)
    assert sentence.startswith("ACCOUNTS_KEKS: ")
    assert sentence.endswith(KEKS)
    assert "fake-secret" not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "given",
    ["", "wk_fake_secret", "{", '{"name": "a"}', "5", "[5]", "[[]]", '[{"name": "a"}]',
     '[{"name": "a", "sha256": "wk_fake_secret", "scopes": ["send"]}]',
     f'[{{"name": "a", "sha256": "{"0" * 64}", "scopes": "send"}}]',
     f'[{{"name": "a", "sha256": "{"0" * 64}", "scopes": ["write"]}}]',
     "[{}, {}, {}, {}, {}, {}]"],
)  # fmt: skip
def test_bad_api_keys_are_one_sentence_with_the_format(given, monkeypatch):
    (sentence,) = sentences(ApiKeySettings, monkeypatch, API_KEYS=given)
    assert sentence.startswith("API_KEYS: ")
    assert '[{"name": "ops", "sha256": "<64 hex digits>", "scopes": ["send", "read"]}]' in sentence
    assert "wk_fake_secret" not in sentence
    assert "\n" not in sentence


def test_each_variable_has_a_sentence_of_its_own(monkeypatch):
    found = sentences(HttpSettings, monkeypatch, HTTP_PORT="99999", LOG_LEVEL="chatty", METRICS_TENANTS="-1")
    assert sorted(sentence.split(":")[0] for sentence in found) == ["HTTP_PORT", "LOG_LEVEL", "METRICS_TENANTS"]


@pytest.mark.parametrize(
    ("keys", "primary", "said"),
    [
        ("{}", "", "CALLBACK_KEYS: it has no key"),
        (f'{{"a": "{GOOD}", "b": "{GOOD}"}}', "", "CALLBACK_PRIMARY_KEY must name the one of its 2 keys"),
        (f'{{"a": "{GOOD}"}}', "c", "CALLBACK_KEYS: the primary key `c` is not among the keys"),
        (f'{{"a b": "{GOOD}"}}', "", "the key id `a b` must be"),
    ],
)
def test_what_two_variables_say_together_is_named(keys, primary, said, monkeypatch):
    (sentence,) = sentences(CallbackSettings, monkeypatch, CALLBACK_KEYS=keys, CALLBACK_PRIMARY_KEY=primary)
    assert said in sentence
    assert '{"id": "<base64 of 32 bytes>"}' in sentence


def test_good_settings_have_nothing_wrong(monkeypatch):
    assert sentences(KeyRingSettings, monkeypatch, ACCOUNTS_KEKS=f'{{"k": "{GOOD}"}}') == []
