"""What becomes of a send whose files are not ready."""

from datetime import UTC, datetime, timedelta

import pytest

from common.contracts.messages import MetaError
from common.errors import Unavailable
from common.http.fetch.fetcher import FetchFailed
from common.meta.client import Answered, NotSent, Unclear
from common.meta.media.rules import MediaRefused
from common.meta.media.upload import UploadFailed
from sender.delivery.core import MAX_ATTEMPTS, Rules
from sender.delivery.media_outcomes import outcome_of, retry_with_new_media
from sender.media.failures import NotReady, SourceUnavailable, Unusable, UploadRejected, failure_of, is_about_media
from sender.outcomes import Dead, Defer, Retry, Sent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Rules(in_doubt_seconds=30, in_doubt_resend=True, pause_seconds=30, pause_cap_seconds=300)


def answered(code, status=400):
    return Answered(status, b'{"error": {"code": %d}}' % code)


def outcome(failure, attempt=1, strikes=0):
    return outcome_of(failure, attempt=attempt, strikes=strikes, now=NOW, rules=RULES)


ERRORS = {
    "too large": (MediaRefused("size", 5, 6), Unusable, "media_too_large"),
    "wrong type": (MediaRefused("mimeType", "a", "b"), Unusable, "media_unsupported"),
    "not there": (FetchFailed("http_404", permanent=True), Unusable, "media_link_refused"),
    "away": (FetchFailed("http_503", permanent=False), SourceUnavailable, "media_link_unreachable"),
    "slow": (TimeoutError(), SourceUnavailable, "media_link_unreachable"),
    "refused": (UploadFailed(answered(190)), UploadRejected, "media_upload_failed"),
    "no store": (Unavailable("x", code="mongo_unavailable"), NotReady, "mongo_unavailable"),
    "no disk": (OSError(28, "No space left"), NotReady, "media_not_stored"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_a_failure_of_one_kind(name):
    error, kind, reason = ERRORS[name]
    failure = failure_of(error)
    assert (type(failure), failure.error.reason) == (kind, reason)
    assert failure_of(failure) is failure


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("link_scheme_refused", "give an https link"),
        ("link_address_refused", "give a public one"),
        ("link_unusable", "give one like https://"),
        ("link_redirects_too_often", "give the final link"),
        ("link_compressed", "send it uncompressed"),
    ],
)
def test_a_link_that_is_refused_says_what_to_give(reason, says):
    details = failure_of(FetchFailed(reason, permanent=True)).error.details
    assert details.startswith(f"{reason}: ")
    assert says in details


def test_our_own_mistakes_are_none_of_them():
    assert failure_of(KeyError("x")) is None


def test_a_file_that_will_never_do_ends_the_send():
    error = MetaError(reason="media_too_large")
    assert outcome(Unusable(error)) == Dead(error)


def test_a_source_that_is_away_is_tried_again_and_each_try_counts():
    error = MetaError(reason="media_link_unreachable")
    first = outcome(SourceUnavailable(error))
    assert first == Retry(NOW + timedelta(seconds=2), error, 1)
    assert outcome(SourceUnavailable(error), attempt=MAX_ATTEMPTS) == Dead(error, letter=True)


def test_a_file_on_its_way_is_waited_for_a_while_longer_each_time():
    waits = [outcome(NotReady(MetaError()), strikes=strikes) for strikes in (0, 1, 2, 9, 10_000)]
    assert all(isinstance(wait, Defer) and wait.hold is None for wait in waits)
    assert [(wait.until - NOW).total_seconds() for wait in waits] == [1, 2, 4, 8, 8]


def test_metas_word_about_an_upload_counts_as_about_a_send_but_is_never_in_doubt():
    assert outcome(UploadRejected(answered(190))).hold.rejected
    assert isinstance(outcome(UploadRejected(answered(100))), Dead)
    assert isinstance(outcome(UploadRejected(answered(80007))), Defer)
    assert isinstance(outcome(UploadRejected(NotSent("x"))), Defer)
    for unclear in (Unclear("timeout"), Answered(502, b""), answered(131053)):
        assert isinstance(outcome(UploadRejected(unclear)), Retry)


@pytest.mark.parametrize("code", [100, 131009, 131053])
def test_what_may_be_about_a_file(code):
    assert is_about_media(answered(code))


@pytest.mark.parametrize("end", [answered(190), answered(131047), Answered(200, b"{}"), NotSent("x"), Unclear("x")])
def test_what_is_not(end):
    assert not is_about_media(end)


def test_a_send_with_new_ids_has_another_try_until_there_are_none_left():
    dead = Dead(MetaError(code=100))
    assert retry_with_new_media(dead, attempt=1, now=NOW, rules=RULES) == Retry(
        NOW + timedelta(seconds=2), dead.error, 1
    )
    assert retry_with_new_media(dead, attempt=MAX_ATTEMPTS, now=NOW, rules=RULES) == Dead(dead.error, letter=True)
    assert retry_with_new_media(Sent("w"), attempt=1, now=NOW, rules=RULES) == Sent("w")
