"""Names of lanes, queue groups and records: every one carries the tenant, none carries a phone number."""

import hashlib

from m2n.message import Identity, Inbound

MAX_GROUP_ID = 128
"""Longest SQS MessageGroupId in characters (AWS, FIFO quotas)."""


def digest(*parts: str, length: int = 32) -> str:
    """Hex SHA-256 of the parts, each preceded by its length so that ('ab','c') and ('a','bc') differ."""
    sha = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        sha.update(len(raw).to_bytes(4, "big") + raw)
    return sha.hexdigest()[:length]


def lane_id(tenant: str, profile_id: str) -> str:
    """Id of a customer's lane, which is its actor's id."""
    return f"{tenant}:{profile_id}"


def group_id(message: Inbound) -> str:
    """Queue group: one per tenant, channel and sender, so that a sender's messages stay in order."""
    first = message.identities[0]
    channel = message.address.channel
    return f"{message.tenant}:{channel}:{digest(first.scheme, first.value)}"[:MAX_GROUP_ID]


def vendor_key(message: Inbound) -> str:
    """Key of a vendor message's one effect: queue deduplication id and the lane's applied id.

    With the connection: some vendors count messages for each account (Telegram for each bot).
    """
    return digest(message.tenant, message.address.channel, message.address.connection, message.vendor_message_id)


def identity_key(tenant: str, identity: Identity) -> str:
    """State key of an identity, without its value in the clear."""
    return f"identity:{tenant}:{identity.scheme}:{digest(tenant, identity.scheme, identity.value)}"


def session_id(profile_id: str, number: int) -> str:
    """Id of a customer's n-th session; at most 36 characters (Dialogflow's limit) for the ids made here."""
    return f"{profile_id}.{number}"


def message_id(session: str, seq: int) -> str:
    return f"{session}.{seq}"
