"""`POST /{phone}/messages` and `/marketing_messages`: accepts the message, with the fault of the plan for the call."""

import asyncio
import json
from typing import Any

from aiohttp import web

from graph_emulator.faults import CallDecision, Event, Fault
from graph_emulator.graph_api.serving import Call, success
from graph_emulator.graph_errors import GraphError
from graph_emulator.state.directory import Business

Json = dict[str, Any]

_BAD_GATEWAY = "<html><body><h1>Sorry, something went wrong.</h1></body></html>"


async def post_message(call: Call) -> web.StreamResponse:
    """Send a message, or mark one as read."""
    business = call.business()
    body = await call.body()
    if "biz_opaque_callback_data" in body:
        call.notes["callbackData"] = body["biz_opaque_callback_data"]
    decision = call.emulator.plan.decide_call(_event(call, body))
    if decision.before_ms:
        await asyncio.sleep(decision.before_ms / 1000)
    fault = decision.fault
    if fault is None:
        reply = _take(call, business, body)
        if decision.after_ms:
            await asyncio.sleep(decision.after_ms / 1000)
        return success(reply)
    call.notes["fault"] = fault.kind
    call.emulator.ledger.counters[f"fault_{fault.kind}"] += 1
    taken = fault.accepted or fault.kind in {"lose_answer", "fail_later"}
    reply = _take(call, business, body, failure=decision.code if fault.kind == "fail_later" else 0) if taken else {}
    if decision.after_ms:
        await asyncio.sleep(decision.after_ms / 1000)
    if fault.kind == "fail_later":
        return success(reply)
    return await _fail(call, fault, decision, reply)


async def post_marketing_message(call: Call) -> web.StreamResponse:
    """The Marketing Messages API: templates only, 131055 for anything else."""
    body = await call.body()
    if "template" not in body:
        call.business()
        raise GraphError(131055, "Only marketing templates can be sent here.")
    return await post_message(call)


def _take(call: Call, business: Business, body: Json, *, failure: int = 0) -> Json:
    """Accept it; `failure` is the code that its status will fail with, 0 for what follows by itself."""
    if "status" in body:
        call.notes["read"] = call.emulator.outbound.mark_read(business, body)
        return {"success": True}
    wamid, reply = call.emulator.outbound.send(business, body, failure=failure)
    call.notes["wamid"] = wamid
    return reply


def _event(call: Call, body: Json) -> Event:
    to = body.get("to") if body.get("to") is not None else body.get("recipient")
    kind = "read" if "status" in body else str(body.get("type", "text"))
    digits = str(to or "").lstrip("+")
    customer = call.emulator.directory.known_customer(digits)
    contacts = (customer.wa_id, customer.user_id) if customer else (digits,)
    template = body.get("template")
    name = template.get("name") if isinstance(template, dict) else None
    return Event(str(call.request.match_info["id"]), contacts, kind, template=name if isinstance(name, str) else None)


async def _fail(call: Call, fault: Fault, decision: CallDecision, reply: Json) -> web.StreamResponse:
    if fault.kind == "reset":
        return _cut(call.request, abort=True)
    if fault.kind == "lose_answer":
        return await _lose(call.request, fault, reply)
    if fault.html:
        return web.Response(status=decision.status or 502, text=_BAD_GATEWAY, content_type="text/html")
    raise GraphError(
        decision.code, "Injected by the fault plan.", subcode=fault.subcode or None, status=decision.status
    )


async def _lose(request: web.Request, fault: Fault, reply: Json) -> web.StreamResponse:
    """Accept the message, but let the answer never arrive."""
    if fault.mode == "hang":
        await asyncio.sleep(fault.ms / 1000)
    if fault.mode == "half":
        whole = json.dumps(reply).encode()
        answer = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(whole))})
        await answer.prepare(request)
        await answer.write(whole[: len(whole) // 2])
    return _cut(request, abort=False)


def _cut(request: web.Request, *, abort: bool) -> web.Response:
    """End the connection, with a TCP reset or after what was written. The returned response is never sent."""
    if request.transport is not None and abort:
        request.transport.abort()
    elif request.transport is not None:
        request.transport.close()
    return web.Response(status=499)
