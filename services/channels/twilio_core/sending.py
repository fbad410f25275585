"""The call that sends one message: POST to the Messages resource of Twilio's REST API 2010-04-01."""

from m2n.adapters.channel import VendorCall

API_VERSION = "2010-04-01"
MAX_BODY = 1600
"""Longest text of one message in characters."""


def message_call(base_url: str, account_sid: str, token: str, form: list[tuple[str, str]]) -> VendorCall:
    """Not repeatable: Twilio has no idempotency key, the same call twice sends two messages."""
    return VendorCall(
        method="POST",
        url=f"{base_url.rstrip('/')}/{API_VERSION}/Accounts/{account_sid}/Messages.json",
        headers={"Accept": "application/json"},
        auth=(account_sid, token),
        form=tuple(form),
    )
