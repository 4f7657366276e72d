"""Meta's error codes as data, and the body that carries one.

The table is Meta's page of error codes; the HTTP statuses are those it last published (2025-12). Meta classifies by
code, and so must its callers: 3 comes with 500, throttling with 400.
"""

from dataclasses import dataclass
from typing import Any

CODES: dict[int, tuple[int, str]] = {
    0: (401, "AuthException"),
    1: (400, "API Unknown"),
    2: (503, "API Service"),
    3: (500, "API Method"),
    4: (400, "Application request limit reached"),
    10: (403, "Permission Denied"),
    33: (400, "Parameter value is not valid"),
    100: (400, "Invalid parameter"),
    104: (401, "An access token is required to request this resource"),
    190: (401, "Access token has expired"),
    200: (403, "API Permission"),
    368: (403, "Temporarily blocked for policies violations"),
    613: (429, "Calls to this api have exceeded the rate limit"),
    2200: (400, "Callback verification failed"),
    2500: (400, "An active access token must be used or the path is unknown"),
    80007: (400, "Rate limit issues"),
    130403: (400, "This user is blocked by the business"),
    130429: (400, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Account has been locked"),
    131037: (400, "WhatsApp provided number needs display name approval"),
    131042: (400, "Business eligibility payment issue"),
    131044: (400, "Payment issue of a user-initiated call"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement"),
    131050: (400, "User has stopped marketing messages"),
    131051: (400, "Unsupported message type"),
    131052: (400, "Media download error"),
    131053: (400, "Media upload error"),
    131055: (400, "Method not allowed"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    131058: (400, "Hello World templates can only be sent from the public test numbers"),
    131060: (400, "This message is unavailable"),
    131062: (400, "This message cannot be sent to a business-scoped user id"),
    131063: (400, "Marketing templates are disabled on Cloud API for this account"),
    131064: (400, "Template classification limit reached"),
    132000: (400, "Template Param Count Mismatch"),
    132001: (404, "Template does not exist"),
    132005: (400, "Template Hydrated Text Too Long"),
    132007: (400, "Template Format Character Policy Violated"),
    132008: (400, "Template Parameter Value Invalid"),
    132012: (400, "Template Parameter Format Mismatch"),
    132015: (400, "Template is Paused"),
    132016: (400, "Template is Disabled"),
    132018: (400, "Template parameters are invalid"),
    132068: (400, "Flow is in blocked state"),
    132069: (400, "Flow is in throttled state"),
    133000: (500, "Incomplete Deregistration"),
    133004: (503, "Server Temporarily Unavailable"),
    133005: (400, "Two step verification PIN Mismatch"),
    133006: (400, "Phone number Verification Needed"),
    133008: (400, "Too Many two step verification PIN Guesses"),
    133009: (400, "Two step verification PIN Guessed Too Fast"),
    133010: (400, "Phone number Not Registered"),
    133015: (400, "Please wait a few minutes before attempting to register this phone number"),
    133016: (400, "Account register deregister rate limit exceeded"),
    134011: (400, "WhatsApp Payments terms of service have not been accepted"),
    134100: (400, "Only marketing messages are supported by this API"),
    134101: (400, "Template is syncing"),
    134102: (500, "Template unavailable for use"),
    135000: (400, "Generic user error"),
    137000: (400, "Recipient identity key hash mismatch"),
}
"""code → (HTTP status, title)."""

_UNKNOWN = (400, "Error")


@dataclass(eq=False)
class GraphError(Exception):
    """A refused call, as Meta refuses it. `status` overrides the table's HTTP status; `message` its sentence."""

    code: int
    details: str = ""
    subcode: int | None = None
    status: int | None = None
    message: str | None = None
    type: str = "OAuthException"

    @property
    def http_status(self) -> int:
        """The HTTP status of the answer."""
        return self.status or CODES.get(self.code, _UNKNOWN)[0]


def error_body(error: GraphError, trace: str) -> dict[str, Any]:
    """The JSON of a refusal: `{"error": {message, type, code, error_subcode?, error_data?, fbtrace_id}}`."""
    title = CODES.get(error.code, _UNKNOWN)[1]
    body: dict[str, Any] = {
        "message": error.message or f"(#{error.code}) {title}",
        "type": error.type,
        "code": error.code,
    }
    if error.subcode is not None:
        body["error_subcode"] = error.subcode
    if error.details:
        body["error_data"] = {"messaging_product": "whatsapp", "details": error.details}
    body["fbtrace_id"] = trace
    return {"error": body}


def webhook_error(code: int, details: str = "") -> dict[str, Any]:
    """The same error in the form of a webhook: `{code, title, message, error_data{details}, href}`."""
    title = CODES.get(code, _UNKNOWN)[1]
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": details or title},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }


def unknown_object(object_id: str, verb: str) -> GraphError:
    """Meta's error for an object that does not exist, or that the token may not see (`verb`: get, post, delete)."""
    return GraphError(
        100,
        subcode=33,
        message=(
            f"Unsupported {verb} request. Object with ID '{object_id}' does not exist, cannot be loaded due to "
            "missing permissions, or does not support this operation. Please read the Graph API documentation at "
            "https://developers.facebook.com/docs/graph-api"
        ),
        type="GraphMethodException",
    )
