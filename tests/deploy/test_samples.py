"""The secrets of our sample files and the real Meta do not go together."""

import base64
import json
import re
from pathlib import Path

import pytest

from accounts.settings import Settings as AccountsSettings
from common.http.auth import ApiKey, digest
from common.security.samples import is_real, refuse_samples
from sender.settings import Settings as SenderSettings

ROOT = Path(__file__).parents[2]
REAL, STAND_IN = "https://graph.facebook.com", "http://emulator:8080"
COMPOSE = (ROOT / "docker-compose.yml").read_text()
OVERLAY = ROOT / "deploy/k8s/overlays/dev/secrets"
KEK = re.search(r'ACCOUNTS_KEKS.*"compose":"([^"]+)"', COMPOSE)[1]
SIGNING = [re.search(rf'{name}.*"compose":"([^"]+)"', COMPOSE)[1] for name in ("CALLBACK_KEYS", "VERIFY_DIGEST_KEYS")]
KEYS = re.findall(r":-(wk_fake_[a-z_]+)\}", COMPOSE)
DIGESTS = re.findall(r":-([0-9a-f]{64})\}", COMPOSE)
GOOD_KEK = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(
    ("url", "real"),
    [
        (REAL, True), ("https://GRAPH.facebook.com./v25.0", True), ("http://graph.facebook.com:8080", True),
        ("https://graph.beta.facebook.com", True), (STAND_IN, False), ("http://graph.facebook.com.example.test", False),
        ("http://notfacebook.com", False), ("http://127.0.0.1:1", False), ("http://", False),
    ],
)  # fmt: skip
def test_which_address_is_metas(url, real):
    assert is_real(url) == real


def accounts(graph, kek=GOOD_KEK, keys=(), signing=GOOD_KEK):
    entries = [{"name": "k", "sha256": sha256, "scopes": ["accounts"]} for sha256 in keys]
    return AccountsSettings(
        graph_base_url=graph, accounts_keks={"k": kek}, api_keys=entries, verify_digest_keys={"k": signing}
    )


def sender(graph, key="wk_own", keys=(), windows=None, signing=GOOD_KEK):
    entries = [{"name": "k", "sha256": sha256, "scopes": ["send"]} for sha256 in keys]
    return SenderSettings(
        graph_base_url=graph,
        accounts_internal_key=key,
        api_keys=entries,
        conversation_internal_key=windows,
        callback_keys={"k": signing},
    )


def test_the_samples_of_compose_start_with_a_stand_in_only():
    assert len(set(KEYS)) >= 2
    assert len(set(DIGESTS)) == 2
    accounts(STAND_IN, KEK, DIGESTS)
    sender(STAND_IN, KEYS[0], DIGESTS)
    with pytest.raises(ValueError, match=r"ACCOUNTS_KEKS.*draw a key") as refused:
        accounts(REAL, KEK)
    assert KEK not in str(refused.value)
    for sample in DIGESTS:
        with pytest.raises(ValueError, match="draw keys"):
            accounts(REAL, keys=[sample])
        with pytest.raises(ValueError, match="draw keys"):
            sender(REAL, keys=[sample])
    for sample in KEYS:
        with pytest.raises(ValueError, match="draw keys"):
            sender(REAL, sample)
        with pytest.raises(ValueError, match="draw keys"):
            sender(REAL, windows=sample)


def test_the_sample_keys_of_digests_do_not_sign_at_the_real_meta():
    for sample in SIGNING:
        for service in (accounts, sender):
            service(STAND_IN, signing=sample)
            with pytest.raises(ValueError, match="sample key") as refused:
                service(REAL, signing=sample)
            assert sample not in str(refused.value)


def test_the_address_is_metas_where_none_is_given():
    with pytest.raises(ValueError, match="draw a key"):
        AccountsSettings(accounts_keks={"k": KEK}, verify_digest_keys={"k": GOOD_KEK})


def test_keys_of_ones_own_start_with_the_real_meta():
    accounts(REAL, keys=[digest("own")])
    sender(REAL, keys=[digest("own")])


def test_every_key_of_the_dev_overlay_is_known_as_a_sample():
    values = dict(
        line.split("=", 1) for path in OVERLAY.glob("*.env") for line in path.read_text().split() if "=" in line
    )
    with pytest.raises(ValueError, match="ACCOUNTS_KEKS"):
        refuse_samples(REAL, keks=json.loads(values["ACCOUNTS_KEKS"]).values())
    for entry in json.loads(values["API_KEYS"]):
        with pytest.raises(ValueError, match="API key"):
            refuse_samples(REAL, accepted=[ApiKey(**entry)])
    with pytest.raises(ValueError, match="API key"):
        refuse_samples(REAL, keys=[values["ACCOUNTS_INTERNAL_KEY"]])


def test_compose_opens_its_ports_to_this_machine_only():
    published = re.findall(r'ports: \["([^"]+)"\]', COMPOSE)
    assert len(published) >= 4
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert COMPOSE.count("GRAPH_BASE_URL: ${") == 2  # the two that refuse samples are told of the same address
