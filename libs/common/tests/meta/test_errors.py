"""The error table, code by code."""

import json

import pytest

from common.meta.errors import RULES, SUBCODES, Klass, Scope, classify, rule_of


def answer(code, **fields):
    return json.dumps({"error": {"code": code, "message": "(#x) no", **fields}}).encode()


KLASSES = {
    Klass.AUTH: [0, 3, 10, 104, 190, 200, 203, 299, 131005],
    Klass.ACCOUNT: [
        33, 368, 131031, 131037, 131042, 131044, 131045, 131063, 131207, 133000, 133006, 133010, 134011, 134102,
    ],
    Klass.THROTTLE: [4, 613, 80007, 130429, 131056, 131057, 131208, 133015, 2494100],
    Klass.WAIT: [131048, 131049, 131064, 132069, 133008, 133009, 133016, 134101],
    Klass.AMBIGUOUS: [2, 131000, 131016],
    Klass.RETRY: [1, 131053, 133004, 139102, 139103],
    Klass.PERMANENT: [
        100, 130403, 130472, 130497, 131008, 131009, 131020, 131021, 131026, 131030, 131041, 131047, 131050, 131051,
        131052, 131055, 131058, 131059, 131060, 131061, 131062, 131201, 131202, 131204, 131209, 131215, 132000, 132001,
        132005, 132007, 132008, 132012, 132015, 132016, 132018, 132068, 133005, 134100, 134103, 135000, 137000, 138000,
        138023, 139000, 139004, 139100, 139101, 147001, 147005, 200005, 200007, 1752041, 2388001, 2388012, 2388019,
        2388039, 2388040, 2388047, 2388072, 2388073, 2388091, 2388093, 2388103, 2388293, 2388299, 2494164, 2494179,
        2593079, 2593085, 2593107, 2593109,
    ],
}  # fmt: skip


@pytest.mark.parametrize(("code", "klass"), [(code, klass) for klass, codes in KLASSES.items() for code in codes])
@pytest.mark.parametrize("status", [400, 500])
def test_a_code_decides_whatever_the_status(code, klass, status):
    failure = classify(status, answer(code))
    assert (failure.code, failure.klass, failure.known) == (code, klass, True)


def test_every_rule_is_tested():
    listed = {code for codes in KLASSES.values() for code in codes}
    ranges = {*range(200, 300), *range(131209, 131216), *range(138000, 138024), *range(139000, 139005)}
    ranges |= {*range(147001, 147006), *range(200005, 200008), *range(2494164, 2494180), *range(2593107, 2593110)}
    assert set(RULES) == listed | ranges


@pytest.mark.parametrize(
    ("code", "scope"),
    [(4, Scope.APP), (613, Scope.APP), (80007, Scope.WABA), (130429, Scope.NUMBER), (131056, Scope.PAIR),
     (190, Scope.NUMBER), (131042, Scope.NUMBER), (131048, Scope.NUMBER), (131049, Scope.MESSAGE),
     (131063, Scope.CATEGORY), (134011, Scope.CATEGORY), (131044, Scope.CATEGORY), (200, Scope.CATEGORY),
     (10, Scope.CATEGORY), (131005, Scope.CATEGORY), (134102, Scope.TEMPLATE), (134101, Scope.TEMPLATE),
     (132069, Scope.TEMPLATE), (131207, Scope.GROUP), (131208, Scope.GROUP), (999_999, Scope.MESSAGE)],
)  # fmt: skip
def test_how_far_an_error_reaches(code, scope):
    assert rule_of(code).scope is scope


def test_waits_are_in_seconds():
    assert RULES[131049].seconds == 86_400
    assert RULES[133016].seconds == 3 * 86_400
    assert RULES[131057].seconds == 60


@pytest.mark.parametrize("code", [5, 131065, 999999, 2494055, -1])
def test_an_unknown_code_is_retried_and_marked(code):
    failure = classify(400, answer(code))
    assert (failure.code, failure.klass, failure.known) == (code, Klass.RETRY, False)


def test_metas_words_are_kept():
    failure = classify(400, answer(131026, error_data={"details": "no such user"}, fbtrace_id="AbC"))
    assert (failure.message, failure.details, failure.fbtrace_id) == ("(#x) no", "no such user", "AbC")
    assert failure.rule.reason == "undeliverable"


@pytest.mark.parametrize(
    ("status", "klass", "reason"),
    [
        (429, Klass.THROTTLE, "http_429"),
        (500, Klass.AMBIGUOUS, "http_500_unreadable"),
        (502, Klass.AMBIGUOUS, "http_502_unreadable"),
        (504, Klass.AMBIGUOUS, "http_504_unreadable"),
        (200, Klass.AMBIGUOUS, "http_200_unreadable"),
        (400, Klass.RETRY, "http_400"),
        (401, Klass.RETRY, "http_401"),
        (403, Klass.RETRY, "http_403"),
        (404, Klass.RETRY, "http_404"),
        (302, Klass.RETRY, "http_302"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"error": "no"}',
        b'{"error": {"code": "190 "}}',
        b'{"error": {"code": true}}',
        b'{"error": {}}',
        b"\xff\xfe",
        b"[" * 50_000,
    ],
)
def test_without_a_readable_code_the_status_decides(status, klass, reason, body):
    failure = classify(status, body)
    assert (failure.code, failure.klass, failure.rule.reason) == (None, klass, reason)


@pytest.mark.parametrize(
    "data", ["d", {"details": "d"}, [{"details": "d"}], '{"details": "d"}', '[{"details": "d"}]'], ids=repr
)
def test_details_are_read_however_they_are_wrapped(data):
    assert classify(400, answer(100, error_data=data)).details == "d"


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":[{"code":131056,"message":"m"}]}',
        b'[{"error":{"code":131056,"message":"m"}}]',
        b'[{"error":[{"code":"131056","message":"m"}]}]',
    ],
)
def test_the_only_error_of_a_list_is_the_error(body):
    failure = classify(400, body)
    assert (failure.code, failure.rule.scope, failure.message) == (131056, Scope.PAIR, "m")


@pytest.mark.parametrize("body", [b'{"error":[{"code":190},{"code":4}]}', b'{"error":["190"]}', b'[[{"error":{}}]]'])
def test_of_several_errors_none_is_chosen(body):
    assert classify(400, body).code is None


@pytest.mark.parametrize("data", ["", None, [], 7, {"details": 7}, [{"details": "a"}, {"details": "b"}]])
def test_odd_details_do_no_harm(data):
    assert classify(400, answer(100, error_data=data)).details is None


@pytest.mark.parametrize(("code", "subcode"), SUBCODES)
def test_a_subcode_holds_the_number_and_says_what_to_do(code, subcode):
    for given in (subcode, str(subcode)):
        failure = classify(400, answer(code, error_subcode=given))
        assert (failure.code, failure.subcode, failure.klass, failure.known) == (code, subcode, Klass.AUTH, True)
        assert (failure.rule.scope, failure.rule.reason) == (Scope.NUMBER, SUBCODES[code, subcode].reason)
        assert " " in (failure.advice or "")


def test_the_reasons_of_subcodes_differ_from_one_another():
    lost = classify(400, answer(100, error_subcode=33))
    assert lost.rule.reason == "number_lost"
    assert classify(400, answer(190, error_subcode=460)).rule.reason == "password_changed"
    assert classify(400, answer(190, error_subcode=463)).rule.reason == "token_expired"


@pytest.mark.parametrize("odd", [None, True, "x", "", "-3", 2494055, [], {}, 1.5, "9" * 5_000, "\u0663\u0663"])
@pytest.mark.parametrize("code", [100, 190, 130429, 999_999])
def test_an_odd_or_unknown_subcode_changes_nothing(code, odd):
    with_it, without = classify(400, answer(code, error_subcode=odd)), classify(400, answer(code))
    assert (with_it.rule, with_it.known, with_it.advice) == (without.rule, without.known, None)


TORN = [rb'{"error":{"code":131056,"message":"\ud83d"}}', b'{"error":{"code":131056,"message":"\xff"}}']


@pytest.mark.parametrize("body", [*TORN, b"\xef\xbb\xbf" + TORN[0], b'\xef\xbb\xbf{"error":{"code":131056}}'])
def test_a_torn_text_does_not_hide_the_code(body):
    failure = classify(400, body)
    assert (failure.code, failure.rule.reason) == (131056, "pair_rate_limit")


@pytest.mark.parametrize("code", [131056, "131056", 131056.0])
def test_a_code_is_a_number_however_it_is_written(code):
    assert classify(400, json.dumps({"error": {"code": code}}).encode()).code == 131056


@pytest.mark.parametrize("code", [None, True, "", "x", "1" * 30, 1.5, 2**31, -(2**31), 10**30, [1], {"a": 1}])
def test_what_is_no_code_is_none(code):
    assert classify(400, json.dumps({"error": {"code": code}}).encode()).code is None
