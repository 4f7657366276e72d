"""How far a refusal by Meta reaches: the scope of its code, for the request that was refused. Pure.

The table `common.meta.errors.RULES` has the widest scope of each code; the request may narrow it. A request does not
have the category of its template, so each template of a category is refused once on its own.
"""

from typing import Final

from common.contracts.messages import MetaError
from common.contracts.outbound import Interactive, Template
from common.contracts.outbound.interactive import FlowMessage, InteractiveContent
from common.contracts.sends import SendRequest
from common.meta.errors import Klass, Scope, rule_of
from sender.delivery.payloads import edge_of

APART: Final = frozenset({Scope.TEMPLATE, Scope.CATEGORY})
"""Scopes smaller than a number: their sends wait beside their conversations and do not block them."""


def scope_of(code: int | None, subcode: int | None, request: SendRequest | MetaError | None) -> Scope:
    """How far an error reaches. An error without a code concerns the message alone.

    Every number may send a text, so a permission that is missing for a text is missing for the number. Other errors
    about templates or kinds concern only the one text. A read mark never makes others wait.
    """
    if code is None:
        return Scope.MESSAGE
    rule = rule_of(code, subcode)
    if rule.scope not in APART or subject_of(request) is not None:
        return rule.scope
    is_read = isinstance(request, SendRequest) and request.kind == "read"
    return Scope.NUMBER if rule.klass is Klass.AUTH and not is_read else Scope.MESSAGE


def subject_of(request: SendRequest | MetaError | None) -> str | None:
    """The template or kind of a message, which may be refused on its own; None for a text and for a read mark.

    A template is identified by name, language and endpoint, because one endpoint may take what the other refuses.
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
    """The subject of a template message; empty for any other message."""
    return (subject_of(request) or "") if request.kind == "template" else ""


def _kind_of(content: InteractiveContent) -> str:
    """The type of the content; for a flow also its id, because Meta throttles flows one by one."""
    if not isinstance(content, FlowMessage):
        return content.type
    parameters = content.action.parameters
    return f"flow {parameters.flow_id or parameters.flow_name}"
