"""The webhook endpoint in OpenAPI, because Litestar knows nothing of a raw route."""

from typing import Final

from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Schema,
)

from ingress.routes import MAX_BODY_BYTES

_BODY: Final = Schema(type=OpenAPIType.OBJECT, description="as Meta sends it")

_TAKEN: Final = Schema(
    type=OpenAPIType.OBJECT, required=["success"], properties={"success": Schema(type=OpenAPIType.BOOLEAN, const=True)}
)

_TEXT: Final = Schema(type=OpenAPIType.STRING)

_REFUSED: Final = Schema(
    type=OpenAPIType.OBJECT,
    required=["success", "error"],
    properties={
        "success": Schema(type=OpenAPIType.BOOLEAN, const=False),
        "error": Schema(
            type=OpenAPIType.OBJECT, required=["code", "message"], properties={"code": _TEXT, "message": _TEXT}
        ),
    },
)


def webhook_operations() -> PathItem:
    """The operations of the webhook path."""
    query = [
        Parameter(name=f"hub.{name}", param_in="query", required=True, schema=Schema(type=OpenAPIType.STRING))
        for name in ("mode", "verify_token", "challenge")
    ]
    signature = Parameter(
        name="x-hub-signature-256", param_in="header", required=True, schema=Schema(type=OpenAPIType.STRING)
    )
    return PathItem(
        get=Operation(
            operation_id="verifyWebhook",
            tags=["webhook"],
            summary="Meta's verification of the endpoint",
            parameters=list(query),
            responses={
                "200": OpenAPIResponse(
                    description="the challenge",
                    content={"text/plain": OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))},
                ),
                "403": _refusal(
                    "the verify token is not known",
                    "forbidden",
                    "hub.mode must be `subscribe` and hub.verify_token a known one",
                ),
            },
        ),
        post=Operation(
            operation_id="receiveWebhook",
            tags=["webhook"],
            summary="Webhook updates from Meta, up to 3 MB, signed over the raw body",
            parameters=[signature],
            request_body=RequestBody({"application/json": OpenAPIMediaType(schema=_BODY)}, required=True),
            responses={
                "200": OpenAPIResponse(
                    description="every event of the body is stored on all in-sync replicas",
                    content={"application/json": OpenAPIMediaType(schema=_TAKEN)},
                ),
                "400": _refusal(
                    "the signature is missing or wrong",
                    "invalid_signature",
                    "x-hub-signature-256 is missing or does not sign this body",
                ),
                "413": _refusal(
                    "the body is above 3 MB", "too_large", f"a webhook body has at most {MAX_BODY_BYTES} bytes"
                ),
                "503": _refusal(
                    "Kafka did not confirm in time, or too many records wait for it; deliver again",
                    "kafka_unavailable",
                    "Kafka does not answer; try again",
                ),
            },
        ),
    )


def _refusal(description: str, code: str, message: str) -> OpenAPIResponse:
    example = Example(value={"success": False, "error": {"code": code, "message": message}})
    content = OpenAPIMediaType(schema=_REFUSED, examples={code: example})
    return OpenAPIResponse(description=description, content={"application/json": content})
