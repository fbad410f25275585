"""Who may post Signal's webhooks: whoever knows the secret, from an allowed network."""

from typing import Any

import pytest
from pydantic import ValidationError

from m2n.adapters.channel import WebhookRequest
from m2n.tenant import Connection, ConnectionKind
from services.channels.signal.adapter import channel
from services.channels.signal.settings import SignalSettings

SECRET = "kw3-Tz/9 +ü"
URL = "https://hooks.example/webhooks/signal/acme-signal"
GIVEN = f"{URL}?secret=kw3-Tz%2F9%20%2B%C3%BC"
GATEWAY = "10.0.0.5"


def connection(**settings: Any) -> Connection:
    return Connection(
        id="acme-signal",
        kind=ConnectionKind.CHANNEL,
        adapter="signal",
        settings={"number": "+15550100001", "base_url": "http://signal:8080", **settings},
    )


def verified(
    url: str = GIVEN, remote: str = GATEWAY, secret: str = SECRET, forwarded: str | None = None, **settings: Any
) -> bool:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    return channel.verify(
        WebhookRequest("POST", url, headers, b"{}", remote), connection(**settings), {"path-secret": secret}
    )


def test_secret_and_network() -> None:
    assert verified()
    assert verified(url=f"{GIVEN}&more=1")


@pytest.mark.parametrize(
    "url",
    [
        URL,
        f"{URL}?secret=",
        f"{URL}?secret",
        f"{URL}?Secret=kw3-Tz%2F9%20%2B%C3%BC",
        f"{GIVEN}x",
        GIVEN[:-1],
        f"{GIVEN}&secret=kw3-Tz%2F9%20%2B%C3%BC",
        f"{URL}#secret=kw3-Tz%2F9%20%2B%C3%BC",
        f"{URL}?secret=%ff%fe",
        f"{URL}?{'a=1&' * 100}secret=kw3-Tz%2F9%20%2B%C3%BC",
    ],
)
def test_nobody_without_the_secret(url: str) -> None:
    assert not verified(url=url)


def test_an_empty_secret_is_nobodys() -> None:
    assert not verified(url=f"{URL}?secret=", secret="")
    assert not channel.verify(WebhookRequest("POST", GIVEN, {}, b"", GATEWAY), connection(), {})


@pytest.mark.parametrize(
    "remote",
    ["127.0.0.1", "::1", "10.255.0.1", "172.16.0.1", "192.168.9.9", "fd00::5", "fe80::1%eth0", "::ffff:10.0.0.5"],
)
def test_private_networks_may_by_themselves(remote: str) -> None:
    assert verified(remote=remote)


@pytest.mark.parametrize(
    "remote", ["8.8.8.8", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8", "", "testclient", "10.0.0"]
)
def test_nobody_from_elsewhere(remote: str) -> None:
    assert not verified(remote=remote)


def test_networks_of_ones_own() -> None:
    assert verified(remote="203.0.113.9", allowed_addresses=["203.0.113.0/24"])
    assert not verified(remote=GATEWAY, allowed_addresses=["203.0.113.0/24"])


@pytest.mark.parametrize(
    ("forwarded", "proxies", "may"),
    [
        ("10.0.0.5", ["192.0.2.1/32"], True),
        ("10.0.0.5, 8.8.8.8", ["192.0.2.1/32"], False),
        ("8.8.8.8, 10.0.0.5", ["192.0.2.1/32"], True),
        ("nobody", ["192.0.2.1/32"], False),
        ("10.0.0.5,", ["192.0.2.1/32"], False),
        ("10.0.0.5", [], False),
        ("10.0.0.5", ["192.0.2.2/32"], False),
    ],
)
def test_a_proxy_is_believed_only_if_it_is_ours(forwarded: str, proxies: list[str], may: bool) -> None:
    assert verified(remote="192.0.2.1", forwarded=forwarded, trusted_proxies=proxies) is may


def test_a_gateway_cannot_pretend_to_be_another() -> None:
    assert not verified(remote="8.8.8.8", forwarded="10.0.0.5")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"number": "15550100001"}, "number"),
        ({"base_url": "signal:8080"}, "base_url"),
        ({"base_url": "http://signal:8080/?x=1"}, "base_url"),
        ({"receive": "poll"}, "receive"),
        ({"allowed_addresses": []}, "allowed_addresses"),
        ({"allowed_addresses": ["10.0.0.0/33"]}, "allowed_addresses"),
        ({"allowed_adresses": ["10.0.0.0/8"]}, "allowed_adresses"),
    ],
)
def test_settings_name_what_is_wrong(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        SignalSettings.model_validate({"number": "+15550100001", "base_url": "http://signal:8080"} | settings)
    assert field in {str(error["loc"][0]) for error in wrong.value.errors()}
