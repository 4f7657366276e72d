"""Faults in the example of an AI consumer."""

from typing import Final

from mutants.fault import Fault

_APP: Final = "examples/ai_responder/src/ai_responder/app.py"
_REPLIES: Final = "examples/ai_responder/src/ai_responder/replies.py"
_TESTS_OF_WIRING: Final = "examples/ai_responder/tests/test_wiring.py"

FAULTS: Final = (
    Fault(
        "ai_responder/read-uncommitted",
        _APP,
        'isolation_level="read_committed",',
        'isolation_level="read_uncommitted",',
        (_TESTS_OF_WIRING,),
        "a message of an aborted transaction is answered, and then answered again",
    ),
    Fault(
        "ai_responder/acks-one", _APP, 'acks="all",', "acks=1,", (_TESTS_OF_WIRING,), "a reply is lost with a leader"
    ),
    Fault(
        "ai_responder/no-idempotence",
        _APP,
        "        enable_idempotence=True,\n",
        "",
        (_TESTS_OF_WIRING,),
        "a retry of the driver's writes a reply twice",
    ),
    Fault(
        "ai_responder/from-the-end",
        _APP,
        'auto_offset_reset="earliest",',
        'auto_offset_reset="latest",',
        (_TESTS_OF_WIRING,),
        "what came before the first start is never answered",
    ),
    Fault(
        "ai_responder/ack-first",
        _APP,
        "AckPolicy.NACK_ON_ERROR",
        "AckPolicy.ACK_FIRST",
        (_TESTS_OF_WIRING,),
        "messages are committed before they are answered",
    ),
    Fault(
        "ai_responder/not-awaited",
        _APP,
        "        await broker.publish(value, SEND, key=key, headers=headers)",
        "        asyncio.get_running_loop().create_task(broker.publish(value, SEND, key=key, headers=headers))",
        (_TESTS_OF_WIRING,),
        "messages are committed before Kafka has their replies",
    ),
    Fault(
        "ai_responder/failure-swallowed",
        _APP,
        "            await asyncio.sleep(_FAILURE_PAUSE_SECONDS)  # because NACK_ON_ERROR retries at once\n            raise\n",
        "            await asyncio.sleep(_FAILURE_PAUSE_SECONDS)\n",
        (_TESTS_OF_WIRING,),
        "a batch that failed is committed without its replies",
    ),
    Fault(
        "ai_responder/other-key",
        _APP,
        'value, key = json.dumps(request).encode(), request["chatbotId"].encode()',
        'value, key = json.dumps(request).encode(), request["messageId"].encode()',
        (_TESTS_OF_WIRING,),
        "requests come to another partition than their chatbot's, and are moved",
    ),
    Fault(
        "ai_responder/conversation-at-once",
        _APP,
        "    for incoming in conversation:\n        with processing(INCOMING, incoming.headers):\n            request = await reply_to(incoming, brain, consumer_group)\n            if request is not None:\n                await _send(broker, request, incoming.headers)\n",
        "    async def one(incoming: Incoming) -> None:\n        with processing(INCOMING, incoming.headers):\n            request = await reply_to(incoming, brain, consumer_group)\n            if request is not None:\n                await _send(broker, request, incoming.headers)\n\n    await asyncio.gather(*map(one, conversation))\n",
        (_TESTS_OF_WIRING,),
        "replies of one conversation come out of order",
    ),
    Fault(
        "ai_responder/all-in-a-row",
        _APP,
        "            group.create_task(_answer_in_order(broker, brain, conversation, consumer_group))",
        "            await _answer_in_order(broker, brain, conversation, consumer_group)",
        (_TESTS_OF_WIRING,),
        "one slow conversation holds up all others",
    ),
    Fault(
        "ai_responder/poison-ends-batch",
        _APP,
        "        if incoming is None:\n            place",
        "        if incoming is None:\n            return []\n            place",
        (_TESTS_OF_WIRING,),
        "a record that is no event drops its batch",
    ),
    Fault(
        "ai_responder/random-message-id",
        _REPLIES,
        'str(uuid5(NAMESPACE, json.dumps([group, event["id"]])))',
        'str(uuid5(NAMESPACE, repr(id(incoming)) + __import__("os").urandom(8).hex()))',
        (_TESTS_OF_WIRING,),
        "an event that is read twice is answered twice",
    ),
)
