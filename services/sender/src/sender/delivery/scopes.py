"""How far a refusal of Meta's reaches: the scope of its code, for the request that was refused. Pure.

The table is `common.meta.errors.RULES`. It says how far a code reaches at most; the request says what that means here.
A request does not tell the category of its template, so each template of a category is refused once by itself.
"""

from typing import Final

from common.contracts.messages import MetaError
from common.contracts.outbound import Interactive, Template
from common.contracts.outbound.interactive import FlowMessage, InteractiveContent
from common.contracts.sends import SendRequest
from common.meta.errors import Klass, Scope, rule_of
from sender.delivery.payloads import edge_of

APART: Final = frozenset({Scope.TEMPLATE, Scope.CATEGORY})
"""Scopes within a number: what they concern waits beside its conversations, and never in front of them."""


def scope_of(code: int | None, subcode: int | None, request: SendRequest | MetaError | None) -> Scope:
    """How far an error reaches. Without a code that is the message alone.

    A text is what every number may send, so a permission that is missing for a text is missing for the number. Other
    errors about templates or kinds cannot concern a text beyond itself, and a read mark is worth no waiting.
    """
    if code is None:
        return Scope.MESSAGE
    rule = rule_of(code, subcode)
    if rule.scope not in APART or subject_of(request) is not None:
        return rule.scope
    is_read = isinstance(request, SendRequest) and request.kind == "read"
    return Scope.NUMBER if rule.klass is Klass.AUTH and not is_read else Scope.MESSAGE


def subject_of(request: SendRequest | MetaError | None) -> str | None:
    """The template or kind of a message, by which it waits apart; None for a text and for what is no message.

    A template is named by its name and language, and by the endpoint that takes it, for what one endpoint refuses the
    other may take.
    """
    if not isinstance(request, SendRequest):
        return None
    message = request.message
    if isinstance(message, Template):
        return f"{edge_of(request)} template {message.template.name} {message.template.language.code}"
    if isinstance(message, Interactive):
        return f"interactive {_kind_of(message.interactive)}"
    return None if request.kind in {"text", "read"} else request.kind


def template_of(request: SendRequest) -> str:
    """The template that a message is; empty for anything else."""
    return (subject_of(request) or "") if request.kind == "template" else ""


def _kind_of(content: InteractiveContent) -> str:
    """Flows are throttled one by one."""
    if not isinstance(content, FlowMessage):
        return content.type
    parameters = content.action.parameters
    return f"flow {parameters.flow_id or parameters.flow_name}"
