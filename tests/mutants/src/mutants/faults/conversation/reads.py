"""Faults in conversation: whose number it is, and what it reads and shows."""

from typing import Final

from mutants.fault import Fault

_SOURCE: Final = "services/conversation/src/conversation"
_TESTS: Final = "services/conversation/tests"
_ROUTES: Final = f"{_SOURCE}/read_api/routes.py"
_READS: Final = f"{_SOURCE}/read_api/queries.py"
_LISTING: Final = f"{_SOURCE}/read_api/listing.py"
_ORDER: Final = f"{_SOURCE}/read_api/order.py"
_VIEWS: Final = f"{_SOURCE}/read_api/views.py"
_NUMBERS: Final = f"{_SOURCE}/chatbot_directory.py"
_FIT: Final = f"{_SOURCE}/batch_size.py"
_USAGE: Final = f"{_SOURCE}/read_api/usage.py"

_ROUTE_TESTS: Final = (f"{_TESTS}/test_isolation.py",)
_NUMBER_TESTS: Final = (f"{_TESTS}/test_chatbot_directory.py",)

FAULTS: Final = (
    Fault(
        "conversation/number-of-the-newest-account",
        _NUMBERS,
        "key=lambda account: (account.active, account.revision)",
        "key=lambda account: account.revision",
        _NUMBER_TESTS,
        "a deactivated account keeps getting the messages of its number",
    ),
    Fault(
        "conversation/number-of-a-former-account",
        _NUMBERS,
        "            self._accounts[before].pop(chatbot_id, None)\n",
        "            pass\n",
        _NUMBER_TESTS,
        "an account that changed its number keeps the old one",
    ),
    Fault(
        "conversation/number-that-is-new-is-not-waited-for",
        _NUMBERS,
        "if new and await self.table.catch_up(_CATCH_UP_SECONDS):",
        "if False:",
        _NUMBER_TESTS,
        "the first message of an account belongs to no chatbot",
    ),
    Fault(
        "conversation/number-asked-for-each-time",
        _NUMBERS,
        " and self._unknown_until.get(n, 0.0) <= now]",
        "]",
        _NUMBER_TESTS,
        "a number without an account makes each batch ask Kafka",
    ),
    Fault(
        "conversation/number-unknown-for-ever",
        _NUMBERS,
        "until = self._now() + _UNKNOWN_SECONDS",
        "until = float('inf')",
        _NUMBER_TESTS,
        "an account that was missed once is missed until a restart",
    ),
    # BatchSize
    Fault(
        "conversation/fit-down-to-nothing",
        _FIT,
        "max(1, records // 2)",
        "records // 2",
        (f"{_TESTS}/test_batch_size.py",),
        "a batch of no records never ends",
    ),
    Fault(
        "conversation/fit-above-its-bound",
        _FIT,
        "self.size = min(self._most, self.size + 1)",
        "self.size = self.size + 1",
        (f"{_TESTS}/test_batch_size.py",),
        "BATCH_RECORDS is no bound",
    ),
    # ReadQueries
    Fault(
        "conversation/reach-is-everything",
        _ROUTES,
        "return Reach(None if EVERY_CHATBOT in key.chatbots else key.chatbots)",
        "return Reach(None)",
        _ROUTE_TESTS,
        "a tenant's key reads every tenant's threads",
    ),
    Fault(
        "conversation/reach-by-the-parameter",
        _READS,
        "if chatbot_id is not None and (self.chatbots is None or chatbot_id in self.chatbots):",
        "if chatbot_id is not None:",
        _ROUTE_TESTS,
        "a tenant's key reads the chatbot that it names",
    ),
    Fault(
        "conversation/reach-without-the-parameter",
        _READS,
        'return {} if self.chatbots is None else {"chatbotId": {"$in": sorted(self.chatbots)}}',
        "return {}",
        _ROUTE_TESTS,
        "a tenant's key reads everything when it names no chatbot",
    ),
    Fault(
        "conversation/webhook-log-for-every-key",
        _ROUTES,
        "        if _reach(request).chatbots is not None:\n",
        "        if _reach(request).chatbots is None and limit > 100:\n",
        _ROUTE_TESTS,
        "a tenant's key reads the webhooks of all tenants",
    ),
    Fault(
        "conversation/usage-of-all",
        _READS,
        "groups = await self._groups(self._documents.usage_logs, reach, chatbot_id)",
        "groups = await self._groups(self._documents.usage_logs, Reach(None), None)",
        _ROUTE_TESTS,
        "a tenant's key reads what others send",
    ),
    Fault(
        "conversation/summary-of-all",
        _READS,
        "chatbots = reach.query(chatbot_id)\n        log, counted",
        "chatbots: Document = {}\n        log, counted",
        _ROUTE_TESTS,
        "a tenant's key counts what others send",
    ),
    Fault(
        "conversation/inbox-of-all",
        _READS,
        "groups = await self._groups(found, reach, chatbot_id)",
        "groups = await self._groups(found, Reach(None), None)",
        _ROUTE_TESTS,
        "a tenant's key reads every inbox",
    ),
    Fault(
        "conversation/cursor-is-ignored",
        _ORDER,
        "        if after is None:\n",
        "        if after is not None:\n",
        _ROUTE_TESTS,
        "every page is the first one",
    ),
    Fault(
        "conversation/cursor-skips-equal-times",
        _ORDER,
        'found: list[Document] = [{**values, "_id": {"$lt": after.id}}]',
        "found: list[Document] = []",
        _ROUTE_TESTS,
        "messages of one second are missing between two pages",
    ),
    Fault(
        "conversation/thread-in-the-order-of-ids",
        _READS,
        'Order("timestamp", PLACE)',
        'Order("timestamp")',
        (f"{_TESTS}/read_api/test_api.py",),
        "messages of one second are shown in any order",
    ),
    Fault(
        "conversation/cursor-never-ends",
        _LISTING,
        "                    return Page(items, None)\n",
        "                    return Page(items, self.order.position(items[-1]) if items else None)\n",
        _ROUTE_TESTS,
        "a reader that follows cursors asks one page too many, and may not end",
    ),
    Fault(
        "conversation/cursor-that-is-none-is-an-error-of-ours",
        _VIEWS,
        '    except (msgspec.DecodeError, ValueError, OverflowError, OSError):\n        raise InvalidInput("`cursor`',
        '    except ZeroDivisionError:\n        raise InvalidInput("`cursor`',
        _ROUTE_TESTS,
        "a cursor that is not ours is answered 500",
    ),
    Fault(
        "conversation/limit-of-any-size",
        _ROUTES,
        "QueryParameter(ge=1, le=100,",
        "QueryParameter(ge=1,",
        _ROUTE_TESTS,
        "one request reads a whole collection into memory",
    ),
    Fault(
        "conversation/origins-are-shown",
        _VIEWS,
        "if name not in _HIDDEN_OF_STATUS",
        "if True",
        _ROUTE_TESTS,
        "callers see, and rely on, what is ours",
    ),
    Fault(
        "conversation/aliases-are-shown",
        _VIEWS,
        '        "aliases",\n',
        "",
        _ROUTE_TESTS,
        "callers see, and rely on, what is ours",
    ),
    Fault(
        "conversation/summary-of-any-length",
        _USAGE,
        "    if count > MAX_DAYS:\n",
        "    if count < 0:\n",
        (f"{_TESTS}/read_api/test_usage.py",),
        "one request reads years",
    ),
    Fault(
        "conversation/age-of-an-answer-is-not-told",
        f"{_SOURCE}/read_api/staleness.py",
        "headers={} if moment is None else {DATA_AS_OF:",
        "headers={} if True else {DATA_AS_OF:",
        (f"{_TESTS}/read_api/test_failover.py",),
        "a caller takes what a secondary knew for the present",
    ),
)
