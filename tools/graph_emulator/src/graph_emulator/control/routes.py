"""The control API under `/_control`: make numbers, let customers write, read what happened. JSON in camelCase.

It has no authentication: the emulator is a program for tests and demos, and listens on the loopback by default.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from graph_emulator.control import limit_routes
from graph_emulator.control.arguments import business_in, number_in, phone_in, text_in
from graph_emulator.control.fault_plans import parse_plan, show_plan
from graph_emulator.control.scenes import change_customer, inbound_message, made_business, show_business, wanted_token
from graph_emulator.emulator import Emulator
from graph_emulator.graph_api.serving import EMULATOR, success
from graph_emulator.misuse import Misuse
from graph_emulator.wa_ids import wa_id_of
from graph_emulator.webhooks.delivery import verify_callback

Json = dict[str, Any]

BURST_MAX = 1_000

_Endpoint = Callable[[Emulator, Json], Awaitable[Json]]


def routes() -> list[web.RouteDef]:
    """Every route of the control API. GET endpoints take the query, the others a JSON body."""
    gets: dict[str, _Endpoint] = {
        "health": _health,
        "idle": _idle,
        "config": _config,
        "businesses": _businesses,
        "customers": _customers,
        "ledger": _ledger,
        "outbox": _outbox,
        "calls": _calls,
        "faults": _faults,
        **limit_routes.GETS,
    }
    posts: dict[str, _Endpoint] = {
        "config": _set_config,
        "verify": _verify,
        "businesses": _add_business,
        "tokens": _grant,
        "tokens/revoke": _revoke,
        "tokens/expire": _expire,
        "signup": _signup,
        "customers": _set_customer,
        "inbound": _inbound,
        "webhook": _webhook,
        "faults": _set_faults,
        "reset": _reset,
        **limit_routes.POSTS,
    }
    return [
        *(web.get(f"/_control/{name}", _answered(endpoint)) for name, endpoint in gets.items()),
        *(web.post(f"/_control/{name}", _answered(endpoint)) for name, endpoint in posts.items()),
        web.delete("/_control/faults", _answered(_clear_faults)),
    ]


def _answered(endpoint: _Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A route that answers 400 with `{"error": what to change}` for a wrong request."""

    async def handle(request: web.Request) -> web.Response:
        try:
            arguments = dict(request.query) if request.method == "GET" else await _body(request)
            return success(await endpoint(request.app[EMULATOR], arguments))
        except Misuse as error:
            return web.json_response({"error": str(error)}, status=400)

    return handle


async def _body(request: web.Request) -> Json:
    raw = await request.read()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        raise Misuse("the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise Misuse("the body must be a JSON object")
    return body


async def _health(emulator: Emulator, _arguments: Json) -> Json:
    return {"ok": True, "counters": dict(emulator.ledger.counters), "pending": emulator.pending}


async def _idle(emulator: Emulator, _arguments: Json) -> Json:
    pending = emulator.pending
    return {"idle": not any(pending.values()), "pending": pending}


async def _config(emulator: Emulator, _arguments: Json) -> Json:
    return emulator.config.public()


async def _set_config(emulator: Emulator, body: Json) -> Json:
    emulator.config.change(body)
    return emulator.config.public()


async def _verify(emulator: Emulator, body: Json) -> Json:
    """Meta's check of the app's callback, or of the `url` and `verifyToken` given."""
    url = str(body.get("url") or emulator.config.webhook_url)
    token = str(body.get("verifyToken") or emulator.config.verify_token)
    verified, why = await verify_callback(url, token, emulator.config.webhook_timeout_ms, emulator.ids)
    return {"verified": verified, "reason": why}


async def _businesses(emulator: Emulator, _arguments: Json) -> Json:
    directory = emulator.directory
    return {"businesses": [show_business(one, directory) for one in directory.businesses.values()]}


async def _add_business(emulator: Emulator, body: Json) -> Json:
    business = made_business(emulator, body)
    return show_business(business, emulator.directory) | {"token": wanted_token(emulator, body, business.waba_id)}


async def _grant(emulator: Emulator, body: Json) -> Json:
    return {"token": wanted_token(emulator, body, text_in(body, "wabaId"))}


async def _revoke(emulator: Emulator, body: Json) -> Json:
    return {"revoked": emulator.directory.revoke(text_in(body, "token"))}


async def _expire(emulator: Emulator, body: Json) -> Json:
    """A token that ends at `expiresAt` (Unix seconds; 0: never), which may be over."""
    return {"known": emulator.directory.expire(text_in(body, "token"), number_in(body, "expiresAt"))}


async def _signup(emulator: Emulator, body: Json) -> Json:
    """A code as Embedded Signup hands to the front end."""
    code = emulator.ids.secret()
    expires = emulator.clock.now_ms() + emulator.config.signup_code_ms
    emulator.signup_codes[code] = (text_in(body, "wabaId"), expires)
    return {"code": code, "expiresAtMs": expires}


async def _customers(emulator: Emulator, _arguments: Json) -> Json:
    return {"customers": [customer.view() for customer in emulator.directory.customers.values()]}


async def _set_customer(emulator: Emulator, body: Json) -> Json:
    customer = emulator.directory.customer(phone_in(body, "phone"))
    change_customer(customer, {key: value for key, value in body.items() if key != "phone"})
    if not customer.offline:
        emulator.outbound.come_online(customer)
    return customer.view()


async def _inbound(emulator: Emulator, body: Json) -> Json:
    business = business_in(emulator, body)
    customer = emulator.directory.customer(phone_in(body, "from"))
    if "profileName" in body:
        customer.profile_name = text_in(body, "profileName")
    burst = body.get("burst", 1)
    if not isinstance(burst, int) or not 1 <= burst <= BURST_MAX:
        raise Misuse(f"burst must be 1 to {BURST_MAX}")
    messages = [inbound_message(body, number, burst) for number in range(1, burst + 1)]
    wamids = [emulator.inbound.receive(business, customer, message) for message in messages]
    return {"wamid": wamids[0], "wamids": wamids, "userId": customer.user_id}


async def _webhook(emulator: Emulator, body: Json) -> Json:
    """Any change of any field, as it is given."""
    value = body.get("value")
    if not isinstance(value, dict):
        raise Misuse("value must be a JSON object")
    waba_id, number = str(body.get("wabaId", "")), str(body.get("phoneNumberId", ""))
    if not waba_id:
        waba_id = business_in(emulator, body).waba_id
    return {"webhook": emulator.inbound.change(waba_id, number, text_in(body, "field"), value).view()}


def _phone(query: Json) -> str | None:
    return wa_id_of(query["phone"]) if "phone" in query else None


async def _ledger(emulator: Emulator, query: Json) -> Json:
    entries = emulator.ledger.received_after(_phone(query), number_in(query, "after"))
    number = query.get("phoneNumberId")
    return {"entries": [entry.view() for entry in entries if number in {None, entry.phone_number_id}]}


async def _outbox(emulator: Emulator, query: Json) -> Json:
    entries = emulator.ledger.sent_after(_phone(query), number_in(query, "after"))
    number = query.get("phoneNumberId")
    return {"entries": [entry.view() for entry in entries if number in {None, entry.phone_number_id}]}


async def _calls(emulator: Emulator, query: Json) -> Json:
    """API calls since `afterMs`, the newest `limit` of them."""
    after, limit = number_in(query, "afterMs"), number_in(query, "limit", 1_000)
    return {"calls": [call for call in emulator.ledger.calls if call["atMs"] > after][-limit:]}


async def _faults(emulator: Emulator, _arguments: Json) -> Json:
    return show_plan(emulator.plan)


async def _set_faults(emulator: Emulator, body: Json) -> Json:
    emulator.plan = parse_plan(body, emulator.seed)
    return show_plan(emulator.plan)


async def _clear_faults(emulator: Emulator, _body: Json) -> Json:
    emulator.plan = parse_plan({}, emulator.seed)
    return show_plan(emulator.plan)


async def _reset(emulator: Emulator, _body: Json) -> Json:
    emulator.reset()
    return {"ok": True}
