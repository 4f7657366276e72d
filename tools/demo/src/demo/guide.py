"""What the demo prints at the end: addresses, and curl commands that work as printed."""

from collections.abc import Mapping

from demo.story import CHATBOT, LINES, NUMBER
from testbed.client import Client, webhook_body
from testbed.plan import PREFIX, SERVICES, Credentials


def phone_page(urls: Mapping[str, str]) -> str:
    """The emulator's page as the first customer of the story, with the demo's number chosen."""
    return f"{public(urls, 'emulator')}/?phone={LINES[0][0]}&number={NUMBER}"


def addresses(urls: Mapping[str, str], secret: Credentials, *, kafka: str, mongodb: str) -> str:
    """The addresses of everything; pages to open come first."""
    base = f"{public(urls)}{PREFIX}"
    rows = {
        f"the phone of {LINES[0][1]}": phone_page(urls),
        "all links": f"{public(urls)}/",
        **{f"API of {service}": f"{base}/docs/{service}" for service in SERVICES},
        "API key": secret.api_key,
        "Kafka": kafka,
        "MongoDB": mongodb,
    }
    return "\n".join(f"  {name:<21}{address}" for name, address in rows.items())


def curl_lines(urls: Mapping[str, str], secret: Credentials, client: Client) -> str:
    """Commands to paste into a shell."""
    base = f"{public(urls)}{PREFIX}"
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
        "Meta delivers a message (the signature fits only this body)": (
            f"curl -X POST {base}/webhook {json_type} \\\n  -H 'x-hub-signature-256: {client.sign(body.encode())}' \\\n"
            f"  -d '{body}'"
        ),
        "send a message": f"curl -X POST {base}/send {key} {json_type} \\\n  -d '{send}'",
        "create or update an account": f"curl -X POST {base}/account {key} {json_type} \\\n  -d '{account}'",
        "read the account": f"curl {base}/account/second-bot {key}",
        "deactivate the account": f"curl -X POST {base}/account/second-bot/deactivate {key}",
        "conversations, newest first": f"curl {base}/conversations {key}",
    }
    return "\n\n".join(f"# {title}\n{line}" for title, line in blocks.items())


def public(urls: Mapping[str, str], name: str = "gateway") -> str:
    """The base URL of a process as people write it."""
    return urls[name].replace("127.0.0.1", "localhost")
