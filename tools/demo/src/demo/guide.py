"""What the demo prints for people to go on with: addresses, and curl lines that work as they stand."""

from collections.abc import Mapping

from demo.client import Client, webhook_body
from demo.plan import PREFIX, SERVICES, Credentials
from demo.story import CHATBOT, NUMBER


def addresses(urls: Mapping[str, str]) -> str:
    """Where everything answers."""
    base = f"{_public(urls)}{PREFIX}"
    lines = [f"  API documents  {base}/docs/{service}" for service in SERVICES]
    return "\n".join([*lines, f"  a phone        {urls['emulator']}/   (write to {NUMBER})"])


def curl_lines(urls: Mapping[str, str], secret: Credentials, client: Client) -> str:
    """Lines to paste into a shell."""
    base = f"{_public(urls)}{PREFIX}"
    body = webhook_body(NUMBER, "wamid.FROM_CURL_1", "Hello from curl").decode()
    key = f"-H 'Authorization: Bearer {secret.api_key}'"
    json_type = "-H 'Content-Type: application/json'"
    account = (
        '{"chatbotId": "second-bot", "phoneNumberId": "106540352242923", "accessToken": "fake-token",'
        ' "webhookVerifyToken": "second-verify-token"}'
    )
    send = f'{{"chatbotId": "{CHATBOT}", "to": "+491510000001", "message": "Hello!", "metadata": {{"orderId": 17}}}}'
    blocks = {
        "Meta verifies the webhook": (
            f'curl "{base}/webhook?hub.mode=subscribe&hub.verify_token={secret.verify_token}&hub.challenge=CHALLENGE"'
        ),
        "Meta delivers a message (the signature is for exactly this body)": (
            f"curl -X POST {base}/webhook {json_type} \\\n  -H 'x-hub-signature-256: {client.sign(body.encode())}' \\\n"
            f"  -d '{body}'"
        ),
        "send a message": f"curl -X POST {base}/send {key} {json_type} \\\n  -d '{send}'",
        "create or update an account": f"curl -X POST {base}/account {key} {json_type} \\\n  -d '{account}'",
        "read it": f"curl {base}/account/second-bot {key}",
        "deactivate it": f"curl -X POST {base}/account/second-bot/deactivate {key}",
        "conversations, newest first": f"curl {base}/conversations {key}",
    }
    return "\n\n".join(f"# {title}\n{line}" for title, line in blocks.items())


def _public(urls: Mapping[str, str]) -> str:
    return urls["gateway"].replace("127.0.0.1", "localhost")
