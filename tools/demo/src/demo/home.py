"""The page at `http://localhost:3000/`: what is running, with links and addresses. Pure."""

from collections.abc import Mapping
from html import escape
from string import Template

from demo.guide import phone_page, public
from testbed.plan import PREFIX, SERVICES, Credentials
from testbed.system import System

_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>WhatsApp Cloud, event-driven</title>
<style>
  body { margin: 0; font: 16px/1.5 system-ui, sans-serif; background: #f6f2ea; color: #1d1d1b; }
  main { max-width: 46rem; margin: auto; padding: 2rem 1rem; }
  h1 { color: #0b5c50; margin: 0 0 .5rem; }
  a { color: #0b5c50; }
  .phone { display: inline-block; margin: 1rem 0; padding: .7rem 1.4rem; border-radius: .5rem; background: #0b5c50;
    color: #fff; text-decoration: none; }
  code { background: #fff; padding: .1rem .3rem; border-radius: .3rem; overflow-wrap: anywhere; }
  dt { font-weight: 600; margin-top: .6rem; }
  dd { margin: 0; }
</style>
<main>
  <h1>WhatsApp Cloud, event-driven</h1>
  <p>The whole system is running on this machine: ingress, conversation, sender and accounts, with a real Kafka and a
  real MongoDB. Only Meta is emulated.</p>
  <a class="phone" href="$phone">Write to the bot as a customer</a>
  <h2>The API</h2>
  <ul>
    $documents
  </ul>
  <h2>Addresses</h2>
  <dl>
    <dt>Kafka</dt><dd><code>$kafka</code></dd>
    <dt>MongoDB</dt><dd><code>$mongodb</code></dd>
    <dt>API key, only for this run</dt><dd><code>$key</code></dd>
  </dl>
  <p>The terminal shows curl commands that you can paste.</p>
</main>
</html>
""")


def home_of(system: System) -> str:
    """The page of a system whose Kafka and MongoDB are running."""
    stack = system.stack
    return home_page(system.urls, system.secret, kafka=stack.kafka_bootstrap_servers, mongodb=stack.mongodb_uri)


def home_page(urls: Mapping[str, str], secret: Credentials, *, kafka: str, mongodb: str) -> str:
    """The page as HTML. It shows the API key, because the demo serves only this machine, and the key ends with it."""
    items = [
        f'<li><a href="{escape(public(urls))}{PREFIX}/docs/{name}">{name}</a>: {_ABOUT[name]}</li>' for name in SERVICES
    ]
    return _PAGE.substitute(
        phone=escape(phone_page(urls)),
        documents="\n    ".join(items),
        kafka=escape(kafka),
        mongodb=escape(mongodb),
        key=escape(secret.api_key),
    )


_ABOUT = {
    "ingress": "webhooks from Meta",
    "conversation": "conversations, messages, usage",
    "sender": "send, batches, media",
    "accounts": "chatbots and their business numbers",
}
