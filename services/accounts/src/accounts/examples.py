"""Examples for the OpenAPI document of the account API. The secrets are fake."""

from typing import Any, Final

from common.http.openapi_responses import Refused, wrong_field

REQUEST: Final = {
    "chatbotId": "shop-bot",
    "phoneNumberId": "106540352242922",
    "wabaId": "102290129340398",
    "accessToken": "a-system-users-token",
    "webhookVerifyToken": "a-verify-token-of-your-choice",
}
_ACCOUNT: Final[dict[str, Any]] = {
    "chatbotId": "shop-bot",
    "phoneNumberId": "106540352242922",
    "wabaId": "102290129340398",
    "status": "active",
    "plan": "standard",
    "retention": {"messagesDays": 90, "conversationsDays": None, "usageDays": None},
    "tokenStatus": "rejected",
    "tokenRejectedCode": 190,
    "revision": 1,
    "createdAt": "2026-11-01T09:30:00Z",
    "updatedAt": "2026-11-01T09:30:00Z",
}
SAVED: Final = {"success": True, "message": "Account updated", "data": _ACCOUNT}
FOUND: Final = {"success": True, "message": "Account found", "data": _ACCOUNT}
DEACTIVATED: Final = {
    "success": True,
    "message": "Account deactivated",
    "data": {**_ACCOUNT, "status": "deactivated", "revision": 2},
}
NO_NUMBER: Final = wrong_field("phoneNumberId", "`phoneNumberId` is missing")
NUMBER_TAKEN: Final = Refused(
    "the number is another active account's",
    "number_taken",
    "the number 106540352242922 belongs to another active account; deactivate that one first",
)
CHANGED: Final = Refused(
    "another change was stored first",
    "account_changed",
    "the account of the chatbot `shop-bot` was changed meanwhile; read it and send the change again",
)
