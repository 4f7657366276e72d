"""Faults in who may call the sender, in its clients and in its health."""

from typing import Final

from mutants.fault import Fault

_ROUTES: Final = "services/sender/src/sender/api/routes.py"
_MEDIA_ROUTES: Final = "services/sender/src/sender/api/media.py"
_BATCH_ROUTE: Final = "services/sender/src/sender/api/batch_route.py"
_APP: Final = "services/sender/src/sender/app.py"
_CLIENTS: Final = "libs/common/src/common/kafka/clients.py"
_CLIENT: Final = "libs/common/src/common/meta/transports/with_pyreqwest.py"
_LETTER: Final = "libs/common/src/common/meta/transports/letter.py"
_INTERNAL: Final = "libs/common/src/common/http/clients/base.py"
_CLIENT_: Final = "libs/common/src/common/mongo/client.py"
_CONFORMANCE: Final = "libs/common/tests/meta/test_graph_conformance.py"
_TRANSPORTS: Final = "libs/common/tests/meta/test_transports.py"
_TESTS_OF_ROUTES: Final = "services/sender/tests/api/test_routes.py"
_TESTS_OF_WIRING: Final = "services/sender/tests/test_wiring.py"

FAULTS: Final = (
    Fault(
        "sender/route-send-any-chatbot",
        _ROUTES,
        "        check_chatbot(request, send_request.chatbot_id)\n",
        "",
        (_TESTS_OF_ROUTES,),
        "a tenant sends from another tenant's number",
    ),
    Fault(
        "sender/route-standing-any-chatbot",
        _ROUTES,
        "        check_chatbot(request, chatbot)\n        message_id = _message_id(request)\n        found",
        "        message_id = _message_id(request)\n        found",
        (_TESTS_OF_ROUTES,),
        "a tenant reads how another tenant's send stands",
    ),
    Fault(
        "sender/route-cancel-any-chatbot",
        _ROUTES,
        "        check_chatbot(request, chatbot)\n        message_id = _message_id(request)\n        entry = await cancel",
        "        message_id = _message_id(request)\n        entry = await cancel",
        (_TESTS_OF_ROUTES,),
        "a tenant cancels another tenant's messages",
    ),
    Fault(
        "sender/route-number-any-chatbot",
        _ROUTES,
        "        check_chatbot(request, chatbot_id)\n        found = await number_of",
        "        found = await number_of",
        (_TESTS_OF_ROUTES,),
        "a tenant reads the limits of another tenant's number",
    ),
    Fault(
        "sender/route-media-any-chatbot",
        _MEDIA_ROUTES,
        "        check_chatbot(request, chatbot)\n",
        "",
        (_TESTS_OF_ROUTES,),
        "a tenant uploads files with another tenant's token",
    ),
    Fault(
        "sender/route-batch-any-chatbot",
        _BATCH_ROUTE,
        "        check_chatbot(request, chatbot_id)\n",
        "",
        (_TESTS_OF_ROUTES,),
        "a tenant sends a batch from another tenant's number",
    ),
    Fault(
        "sender/route-no-guard",
        _ROUTES,
        "route_handlers=handlers, guards=[guard], tags",
        "route_handlers=handlers, tags",
        (_TESTS_OF_ROUTES,),
        "a client can send without a key",
    ),
    Fault(
        "sender/route-other-scope",
        _APP,
        'guard=require("send", settings.api_keys)',
        'guard=require("read", settings.api_keys)',
        (_TESTS_OF_ROUTES,),
        "a key that may only read may send",
    ),
    Fault(
        "sender/route-check-after-publish",
        _ROUTES,
        "        check_chatbot(request, send_request.chatbot_id)\n        ensure_unexpired",
        "        await publisher.publish([])\n        ensure_unexpired",
        (_TESTS_OF_ROUTES,),
        "a tenant sends from another tenant's number",
    ),
    Fault(
        "sender/route-cancel-other-order",
        _ROUTES,
        "        check_chatbot(request, chatbot)\n        message_id = _message_id(request)\n        entry = await cancel(chatbot, message_id)\n",
        "        message_id = _message_id(request)\n        entry = await cancel(chatbot, message_id)\n        check_chatbot(request, chatbot)\n",
        (_TESTS_OF_ROUTES,),
        "a cancellation is refused only after it was made",
    ),
    Fault(
        "sender/wiring-live-always",
        _APP,
        "        alive=lambda: sender.group.stuck_seconds() < _IDLE_SECONDS,\n",
        "",
        (_TESTS_OF_WIRING,),
        "a sender that hangs is never restarted",
    ),
    Fault(
        "sender/wiring-live-by-idle",
        _APP,
        "sender.group.stuck_seconds() < _IDLE_SECONDS",
        "sender.group.idle_seconds() < _IDLE_SECONDS",
        (_TESTS_OF_WIRING,),
        "an outage of MongoDB has all senders restarted again and again",
    ),
    Fault(
        "sender/wiring-live-soon",
        _APP,
        "_IDLE_SECONDS = 60.0",
        "_IDLE_SECONDS = 5.0",
        (_TESTS_OF_WIRING,),
        "a slow broker has all senders restarted",
    ),
    Fault(
        "sender/wiring-ready-without-sends",
        _APP,
        '            "sends": _now(lambda: sender.group.ready),\n',
        "",
        (_TESTS_OF_WIRING,),
        "a sender that works on nothing is ready",
    ),
    Fault(
        "sender/wiring-ready-without-accounts",
        _APP,
        '"accounts": _now(lambda: sender.accounts.ready)',
        '"accounts": _now(lambda: True)',
        (_TESTS_OF_WIRING,),
        "requests come to a sender that knows no account",
    ),
    Fault(
        "sender/wiring-ready-without-statuses",
        _APP,
        '"statuses": _now(lambda: sender.status_follower.ready)',
        '"statuses": _now(lambda: sender.group.ready)',
        (_TESTS_OF_WIRING,),
        "it is not visible that statuses are not read",
    ),
    Fault(
        "sender/wiring-ready-without-indexes",
        _APP,
        '            "indexes": sender.indexes.ready,\n',
        "",
        (_TESTS_OF_WIRING,),
        "a sender without its indexes is ready",
    ),
    Fault(
        "sender/client-read-uncommitted",
        _CLIENTS,
        '        isolation_level="read_committed",  # never',
        '        isolation_level="read_uncommitted",  # never',
        (_TESTS_OF_WIRING,),
        "the sender acts on records of aborted transactions",
    ),
    Fault(
        "sender/client-auto-commit",
        _CLIENTS,
        '        enable_auto_commit=False,\n        auto_offset_reset="earliest",  # a record',
        '        enable_auto_commit=True,\n        auto_offset_reset="earliest",  # a record',
        (_TESTS_OF_WIRING,),
        "offsets are committed before their sends have ended",
    ),
    Fault(
        "sender/client-from-the-end",
        _CLIENTS,
        '        auto_offset_reset="earliest",  # a record',
        '        auto_offset_reset="latest",  # a record',
        (_TESTS_OF_WIRING,),
        "what was written before the first start is never sent",
    ),
    Fault(
        "sender/client-redirects",
        _CLIENT,
        ".follow_redirects(enable=False)",
        ".follow_redirects(enable=True)",
        (_CONFORMANCE,),
        "a token goes wherever a redirect points",
    ),
    Fault(
        "sender/client-no-time-out",
        _CLIENT,
        "        .timeout(timedelta(seconds=limits.total_seconds))\n",
        "        .timeout(timedelta(seconds=3600))\n",
        (_CONFORMANCE,),
        "a call that hangs blocks its conversation for ever",
    ),
    Fault(
        "sender/client-body-as-bytes",
        _CLIENT,
        ".body_stream(letter.pieces)",
        ".body_bytes(payload)",
        (_CONFORMANCE,),
        "a request that left is called not sent, and goes out twice",
    ),
    Fault(
        "sender/client-body-not-withheld",
        _LETTER,
        'NotSent(reason) if next(self.pieces, b"") else',
        "NotSent(reason) if self.pieces.__length_hint__() else",
        (_TRANSPORTS,),
        "a call that was given up is written all the same",
    ),
    Fault(
        "sender/client-cancelled-is-sent",
        _CLIENT,
        '            letter.failed("cancelled")\n',
        "",
        (_CONFORMANCE,),
        "a call that was cancelled while it waited is sent later",
    ),
    Fault(
        "sender/client-proxy",
        _INTERNAL,
        "        trust_env=False,  # an",
        "        trust_env=True,  # an",
        (_TESTS_OF_WIRING,),
        "tokens go through a proxy",
    ),
    Fault(
        "sender/client-mongo-one-node",
        _CLIENT_,
        'WriteConcern(w="majority", j=True)',
        "WriteConcern(w=1)",
        (_TESTS_OF_WIRING,),
        "a claim is lost with one node, and its message sent twice",
    ),
)
