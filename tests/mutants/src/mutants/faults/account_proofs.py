"""Faults in how accounts asks for proofs, plans and digests, and renews them."""

from typing import Final

from mutants.fault import Fault

_ROUTES: Final = "services/accounts/src/accounts/routes.py"
_APP: Final = "services/accounts/src/accounts/app.py"
_CORE: Final = "services/accounts/src/accounts/core.py"
_ANNOUNCER: Final = "services/accounts/src/accounts/announcer.py"
_PROOFS: Final = "services/accounts/src/accounts/proofs.py"
_SETTINGS: Final = "services/accounts/src/accounts/settings.py"
_TESTS_OF_WIRING: Final = "services/accounts/tests/test_wiring.py"

FAULTS: Final = (
    Fault(
        "accounts/no-proof",
        _ROUTES,
        "        proof = needs_proof(data, stored, key)\n",
        "        proof = False\n",
        (f"{_TESTS_OF_WIRING}::test_without_proof_a_bound_key_stores_nothing",),
        "a tenant takes the number of another one",
    ),
    Fault(
        "accounts/proof-only-checked",
        _ROUTES,
        "onboarding.prove if proof else onboarding.check",
        "onboarding.check",
        (f"{_TESTS_OF_WIRING}::test_what_a_bound_key_claims_is_stored_when_meta_has_proven_it",),
        "a number is taken for one of a WABA to which it does not belong",
    ),
    Fault(
        "accounts/proof-of-operators",
        _PROOFS,
        "    if key.operator:\n        return False\n",
        "",
        (f"{_TESTS_OF_WIRING}::test_an_operator_needs_no_proof",),
        "an operator cannot register what Meta does not show to the token yet",
    ),
    Fault(
        "accounts/activation-without-proof",
        _PROOFS,
        'stored is None or stored["status"] != ACTIVE',
        "stored is None",
        (f"{_TESTS_OF_WIRING}::test_without_proof_a_bound_key_stores_nothing",),
        "a tenant activates an account whose number has another owner by now",
    ),
    Fault(
        "accounts/waba-without-proof",
        _PROOFS,
        '    return moved or request.waba_id not in (None, stored.get("wabaId"))',
        "    return moved",
        (f"{_TESTS_OF_WIRING}::test_without_proof_a_bound_key_stores_nothing",),
        "a tenant names the WABA of another one",
    ),
    Fault(
        "accounts/number-without-proof",
        _PROOFS,
        '    moved = request.phone_number_id != stored["phoneNumberId"]',
        "    moved = False",
        (f"{_TESTS_OF_WIRING}::test_without_proof_a_bound_key_stores_nothing",),
        "a tenant with an account takes the number of another one",
    ),
    Fault(
        "accounts/proof-of-another-state",
        _ROUTES,
        " if asked or not key.operator else None",
        " if verify else None",
        (f"{_TESTS_OF_WIRING}::test_a_proof_holds_for_the_account_as_it_was_read",),
        "what was proven for one number is stored for another",
    ),
    Fault(
        "accounts/unproven-of-another-state",
        _ROUTES,
        "if asked or not key.operator else None",
        "if asked else None",
        (f"{_TESTS_OF_WIRING}::test_what_a_bound_key_may_do_without_proof_holds_for_the_account_as_it_was_read",),
        "an account that was deactivated meanwhile is activated without proof",
    ),
    Fault(
        "accounts/proofs-without-limit",
        _ROUTES,
        "with verification.slots.taken(key):",
        "if True:",
        (f"{_TESTS_OF_WIRING}::test_one_key_has_a_few_proofs_under_way_and_the_others_are_not_held_up",),
        "one tenant uses up the connections to Meta",
    ),
    Fault(
        "accounts/proofs-in-one-count",
        _PROOFS,
        "        if self._under_way[key.name] >= self._at_once:",
        "        if self._under_way.total() >= self._at_once:",
        (f"{_TESTS_OF_WIRING}::test_one_key_has_a_few_proofs_under_way_and_the_others_are_not_held_up",),
        "one tenant holds up the registrations of all others",
    ),
    Fault(
        "accounts/plan-of-any-key",
        _ROUTES,
        "        check_plan(data, stored, key)\n",
        "",
        (f"{_TESTS_OF_WIRING}::test_a_bound_key_does_not_change_the_plan",),
        "a tenant gives itself the largest share",
    ),
    Fault(
        "accounts/digest-key",
        _SETTINGS,
        "    verify_digest_keys: Annotated[dict[str, SecretStr], Field(min_length=1, description=KEYS_MEANING)]\n",
        "    verify_digest_keys: Annotated[dict[str, SecretStr], Field(min_length=1, description=KEYS_MEANING)]\n\n    def digest_keys(self):\n        return type(super().digest_keys())(super().digest_keys().keys, min(self.verify_digest_keys))\n",
        (f"{_TESTS_OF_WIRING}::test_the_digest_of_a_verify_token_is_that_of_the_primary_key",),
        "a rotation of the digest keys never ends",
    ),
    Fault(
        "accounts/digest-of-nothing-new",
        _CORE,
        "        fields[DIGEST] = _digest(keys.digests, request.webhook_verify_token.get_secret_value())\n",
        "        fields[DIGEST] = _digest(keys.digests, request.chatbot_id)\n",
        (f"{_TESTS_OF_WIRING}::test_the_digest_of_a_verify_token_is_that_of_the_primary_key",),
        "ingress knows no new verify token",
    ),
    Fault(
        "accounts/digest-not-told",
        _CORE,
        "            verify_digest=KeyedDigest(**digest) if digest else None,\n",
        "",
        (f"{_TESTS_OF_WIRING}::test_the_digest_of_a_verify_token_is_that_of_the_primary_key",),
        "ingress knows no verify token",
    ),
    Fault(
        "accounts/renewal-not-wired",
        _APP,
        "renewal=DigestRenewal(store, keys)",
        "renewal=None",
        (f"{_TESTS_OF_WIRING}::test_the_clients_are_made_of_the_settings",),
        "digests of an old key stay for ever",
    ),
    Fault(
        "accounts/renewal-not-told",
        _ANNOUNCER,
        "            for chatbot_id in await self._renewal.round() if self._renewal else ():\n                await self._announce_left_over(chatbot_id)\n",
        "            await self._renewal.round() if self._renewal else None\n",
        (f"{_TESTS_OF_WIRING}::test_a_digest_under_another_key_is_renewed_in_the_background_and_told",),
        "ingress learns of a renewed digest only with the next round",
    ),
)
