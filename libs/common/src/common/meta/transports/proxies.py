"""The proxy of the environment: one rule of ours, so that every transport goes the same way."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]  # not in typeshed


def proxy_from_environment(url: str) -> str | None:
    """`HTTPS_PROXY` or `HTTP_PROXY` by the scheme of `url`, else `ALL_PROXY`; none where `NO_PROXY` names its host."""
    return proxy_for(url, getproxies_environment())


def proxy_for(url: str, proxies: Mapping[str, str]) -> str | None:
    """The same rule, of proxies as urllib names them: `https`, `http`, `all`, and `no` with what goes direct."""
    asked = urlsplit(url)
    proxy = proxies.get(asked.scheme) or proxies.get("all")
    host = asked.hostname or ""
    direct = proxies.get("no", "")
    if not proxy or _in_networks(host, direct) or proxy_bypass_environment(host, dict(proxies)):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _in_networks(host: str, direct: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(_within(address.compressed, one.strip()) for one in direct.split(",") if "/" in one)


def _within(address: str, network: str) -> bool:
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return False
