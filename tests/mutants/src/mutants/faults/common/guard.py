"""Faults in what guards a listener: limits of headers, bodies, connections, time and memory."""

from typing import Final

from mutants.fault import Fault

_GUARD: Final = "libs/common/src/common/http/guard"
_PROTOCOL: Final = f"{_GUARD}/protocol.py"
_PHASES: Final = f"{_GUARD}/phases.py"
_LISTENER: Final = f"{_GUARD}/listener.py"
_BUDGET: Final = f"{_GUARD}/budget.py"
_SERVE: Final = "libs/common/src/common/http/service/serve.py"
_TESTS: Final = ("libs/common/tests/http/guard/test_guard.py",)

FAULTS: Final = (
    Fault(
        "guard/upgrade-without-its-body",
        _PROTOCOL,
        "        if not framing:\n",
        "        if True:\n",
        _TESTS,
        "a request of Java's HTTP client, which offers HTTP/2, arrives with an empty body",
    ),
    Fault(
        "guard/upgrade-is-followed-by-requests",
        _PROTOCOL,
        "        self._deaf, self._moved = True, 0\n        raise _StopParsingError\n",
        "        self.parser = httptools.HttpRequestParser(self)\n",
        _TESTS,
        "what a client sends in another protocol is taken for requests",
    ),
    Fault(
        "guard/headers-without-end",
        _PROTOCOL,
        "            if self._room == 0:\n",
        "            self._room = self._room or self._most\n            if self._room == 0:\n",
        _TESTS,
        "an endless header fills the memory",
    ),
    Fault(
        "guard/headers-without-number",
        _PROTOCOL,
        "if len(self.headers) > MAX_HEADERS:",
        "if False:",
        _TESTS,
        "thousands of headers are kept",
    ),
    Fault(
        "guard/slow-headers-stay",
        _PHASES,
        "if self._waits(seconds).waited > self._limits.header_seconds:",
        "if False:",
        _TESTS,
        "slow connections stay for ever",
    ),
    Fault(
        "guard/slow-bodies-stay",
        _PHASES,
        "        if progress.is_late(self._limits):\n            self._end(answers.BODY_LATE)\n            return\n",
        "",
        _TESTS,
        "a body that comes byte by byte holds its connection for ever",
    ),
    Fault(
        "guard/unread-answers-stay",
        _PHASES,
        "            if self._unread.is_late(self._limits):\n                self._end(answers.ANSWER_LATE)\n",
        "",
        _TESTS,
        "a client that reads nothing holds its answer for ever",
    ),
    Fault(
        "guard/idle-connections-stay",
        _PHASES,
        "        elif self._phase == IDLE and self._waits(seconds).waited > self.timeout_keep_alive:\n"
        "            self.transport.close()\n",
        "",
        _TESTS,
        "connections without a request stay for ever",
    ),
    Fault(
        "guard/tiny-chunks-are-taken",
        _PROTOCOL,
        "if self._chunks > FREE_CHUNKS + self._moved // LEAST_CHUNK_BYTES:",
        "if False:",
        _TESTS,
        "a body of chunks of one byte costs a hundred times its size",
    ),
    Fault(
        "guard/pipelines-without-end",
        _PROTOCOL,
        "if len(self.pipeline) >= MAX_PIPELINED:",
        "if False:",
        _TESTS,
        "one connection queues requests without end",
    ),
    Fault(
        "guard/bodies-are-not-counted",
        _PROTOCOL,
        "            self.held += size\n",
        "",
        _TESTS,
        "the memory for bodies is given back never, or its limit says nothing",
    ),
    Fault(
        "guard/bodies-beyond-the-budget",
        _PROTOCOL,
        "if not self._budget.grow(self.held, size) and not self._find_room(size):",
        "if not self._budget.grow(self.held, size) and not self._find_room(size) and False:",
        _TESTS,
        "bodies fill the memory",
    ),
    Fault(
        "guard/budget-is-not-given-back",
        _PHASES,
        "            self._budget.shrink(self.held)\n",
        "",
        _TESTS,
        "after some requests no body is accepted",
    ),
    Fault(
        "guard/large-bodies-take-all",
        _BUDGET,
        "self._most_large = total * 3 // 4",
        "self._most_large = total",
        _TESTS,
        "large bodies keep small webhooks out",
    ),
    Fault(
        "guard/connections-without-number",
        _LISTENER,
        "if len(self.open) > self.limits.connections:",
        "if False:",
        _TESTS,
        "connections use all file descriptors",
    ),
    Fault(
        "guard/full-listener-refuses-the-good",
        _LISTENER,
        "            oldest.give_way(EVICTED)\n",
        "            return CONNECTIONS\n",
        _TESTS,
        "slow connections keep good clients out",
    ),
    Fault(
        "guard/the-newest-gives-way",
        _LISTENER,
        "oldest = next(iter(crowd), None)",
        "oldest = next(reversed(crowd), None)",
        _TESTS,
        "a flood of connections ends those that have just come",
    ),
    Fault(
        "guard/no-sweep",
        _SERVE,
        "        guard.start()\n",
        "",
        ("libs/common/tests/http/service/test_serve.py",),
        "no limit of time is kept in a real process",
    ),
    Fault(
        "guard/limits-are-not-passed-on",
        "libs/common/src/common/http/service/command.py",
        "            limits=settings.http_limits(),\n",
        "",
        ("libs/common/tests/http/service/test_serving.py", "libs/common/tests/http/service/test_command.py"),
        "HTTP_MAX_CONNECTIONS and the other limits say nothing",
    ),
    Fault(
        "guard/header-seconds-for-body-seconds",
        _SERVE,
        "header_seconds=self.http_header_seconds,",
        "header_seconds=self.http_body_seconds,",
        ("libs/common/tests/http/guard/test_guard.py", "libs/common/tests/http/service/test_serving.py"),
        "two settings are swapped",
    ),
    Fault(
        "guard/signature-not-looked-at-before-the-body",
        "services/ingress/src/ingress/routes.py",
        'body = await _read(receive) if looks_signed(signature) else b""',
        "body = await _read(receive)",
        ("services/ingress/tests/test_flood.py", "services/ingress/tests/test_routes.py"),
        "unsigned bodies fill the memory",
    ),
)
