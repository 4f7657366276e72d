"""Topics on brokers that refuse some of what is declared: with a fake, and on a real Kafka of one broker."""

import uuid
from dataclasses import replace
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError, RequestTimedOutError, TopicAuthorizationFailedError

from common.contracts import topics
from common.kafka.admin import _configs, _described, describe_topics, ensure_topics
from common.kafka.settings import KafkaSettings
from common.kafka.topic_creation import config_of, create, without_dispensable

INVALID, POLICY, COPIES, NOT_LET = 40, 44, 38, 29
DISPENSABLE = {"min.insync.replicas", "segment.ms", "min.cleanable.dirty.ratio"}


@pytest.mark.parametrize(("copies", "in_sync"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_a_record_in_three_copies_is_acknowledged_by_two(copies, in_sync):
    assert config_of(topics.SEND, copies).get("min.insync.replicas") == in_sync
    assert config_of(topics.SEND, copies).items() >= topics.SEND.config().items()


def test_what_a_topic_needs_is_asked_for_in_any_case():
    for topic in topics.ALL:
        needed = without_dispensable(config_of(topic, 3))
        assert {"max.message.bytes", "cleanup.policy"} <= set(needed)
        assert set(config_of(topic, 3)) - set(needed) <= DISPENSABLE
        assert ("retention.ms" in needed) is not topic.compacted


class Picky:
    """An admin client of brokers that judge each topic by its settings; `made` are those that it has made."""

    def __init__(self, judge):
        self.judge, self.made, self.asked = judge, {}, 0

    async def create_topics(self, requests):
        self.asked += 1
        errors = []
        for request in requests:
            code = self.judge(request)
            if not code:
                self.made[request.name] = request
            errors.append((request.name, code, "no" if code else None))
        return SimpleNamespace(topic_errors=errors)


@pytest.mark.parametrize("code", [INVALID, POLICY])
@pytest.mark.parametrize("entry", sorted(DISPENSABLE))
async def test_brokers_that_refuse_a_setting_make_the_topic_without_it(code, entry):
    admin = Picky(lambda request: code if entry in request.topic_configs else 0)
    await create(admin, topics.ALL, None, 3)
    assert set(admin.made) == {topic.name for topic in topics.ALL}
    for topic in topics.ALL:
        given = admin.made[topic.name].topic_configs
        assert given.items() >= without_dispensable(topic.config()).items()
        # Others keep all that is declared.
        assert (given == config_of(topic, 3)) is (entry not in config_of(topic, 3))
    assert admin.asked == 2


async def test_what_is_refused_for_good_is_named_with_a_remedy_and_the_others_are_made():
    def judge(request):
        return {topics.SEND.name: COPIES, topics.ACCOUNTS.name: POLICY, topics.NUMBERS.name: NOT_LET}.get(
            request.name, 0
        )

    admin = Picky(judge)
    with pytest.raises(KafkaError) as refused:
        await create(admin, topics.ALL, 5, 3)
    told = str(refused.value)
    for name, remedy in (
        (topics.SEND.name, "give --replication"),
        (topics.ACCOUNTS.name, "as the provider allows"),
        (topics.NUMBERS.name, "the right CREATE"),
    ):
        assert f"topic {name} was refused" in told
        assert remedy in told
    assert len(admin.made) == len(topics.ALL) - 3
    assert {request.num_partitions for request in admin.made.values()} == {1, 5}


async def test_topics_that_are_refused_for_one_reason_are_one_sentence():
    with pytest.raises(KafkaError) as refused:
        await create(Picky(lambda _: COPIES), topics.ALL, None, 9)
    told = str(refused.value)
    assert "topics whatsapp-cloud-webhooks, whatsapp-cloud-webhooks-dlq, " in told
    assert told.count("give --replication") == 1


async def test_one_that_another_process_made_meanwhile_is_no_failure():
    admin = Picky(lambda _: 36)  # TOPIC_ALREADY_EXISTS
    await create(admin, topics.ALL, None, 1)
    assert admin.asked == 1


class Silent:
    """An admin client that may not look at settings."""

    def __init__(self, answer):
        self.answer = answer

    async def describe_configs(self, _wanted):
        if isinstance(self.answer, Exception):
            raise self.answer
        return [SimpleNamespace(resources=self.answer)]


TOPIC = {"partitions": [{"replicas": [1], "error_code": 0, "leader": 1}]}
CUT = [(0, None, 2, "send", [("max.message.bytes", None, False, False, False), ("retention.ms", "", True, 0, 0)])]


@pytest.mark.parametrize(
    "answer", [[(NOT_LET, "no", 2, "send", [])], TopicAuthorizationFailedError(), CUT], ids=["refused", "raised", "cut"]
)
async def test_brokers_that_do_not_tell_settings_are_described_all_the_same(answer):
    found = await _configs(Silent(answer), ["send"])
    described = _described(TOPIC, found.get("send", {}))
    assert (described.partitions, described.led) == (1, True)
    assert described.max_message_bytes is described.retention_ms is described.compacted is None


async def test_brokers_that_are_slow_are_asked_again():
    with pytest.raises(RequestTimedOutError):
        await _configs(Silent(RequestTimedOutError()), ["send"])


@pytest.mark.integration
async def test_a_real_broker_that_knows_no_such_setting_makes_the_topic_without_it(kafka_bootstrap, monkeypatch):
    settings = KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap)
    topic = replace(topics.NUMBERS, name=f"picky-{uuid.uuid4().hex[:10]}")
    monkeypatch.setattr(
        "common.kafka.topic_creation.config_of", lambda one, _: {**one.config(), "segment.ms": "no number"}
    )
    assert await ensure_topics(settings, [topic]) == [topic.name]
    found = (await describe_topics(settings))[topic.name]
    assert (found.retention_ms, found.compacted) == (topic.retention_ms, False)
    assert found.segment_ms != topic.segment_ms


@pytest.mark.integration
async def test_more_copies_than_brokers_are_refused_with_a_remedy(kafka_bootstrap):
    settings = KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap)
    topic = replace(topics.NUMBERS, name=f"copies-{uuid.uuid4().hex[:10]}")
    with pytest.raises(KafkaError, match="give --replication"):
        await ensure_topics(settings, [topic], replication=9)
