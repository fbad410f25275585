"""A message as the visitor's page gets it."""

from typing import Literal

from m2n.message import Author, Content, Inbound, Model, Moment, Name, Outbound

OWN = "own:"
"""Begins the ids of what the visitor said; no id of ours begins so."""


class BrowserMessage(Model):
    id: Name
    author: Author
    author_name: Name | None = None
    content: Content
    at: Moment
    status: Literal["sending", "sent"] | None = None
    """Of the visitor's own: ``sending`` until the queue has it."""

    @property
    def is_own(self) -> bool:
        return self.author is Author.CUSTOMER


class Typing(Model):
    """Somebody types, or stopped; who is not always known."""

    on: bool = True
    author: Author | None = None
    author_name: Name | None = None


class SignalBody(Model):
    """What is shown at once or never: one of the two. ``read`` is the visitor's message that was read, by vendor id."""

    typing: Typing | None = None
    read: Name | None = None


def shown(message: Outbound) -> BrowserMessage:
    return BrowserMessage(
        id=message.id,
        author=message.author,
        author_name=message.author_name,
        content=message.content,
        at=message.decided_at,
    )


def own_id(vendor_message_id: str) -> str:
    """Id in the inbox of a visitor's message, from ``<visitor>:<echo id>``."""
    return OWN + vendor_message_id.partition(":")[2]


def shown_own(message: Inbound) -> BrowserMessage:
    return BrowserMessage(
        id=own_id(message.vendor_message_id),
        author=Author.CUSTOMER,
        author_name=message.display_name,
        content=message.content,
        at=message.received_at,
        status="sending",
    )
