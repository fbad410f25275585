"""A message as the visitor's page gets it."""

from m2n.message import Author, Content, Model, Moment, Name, Outbound


class BrowserMessage(Model):
    id: Name
    author: Author
    author_name: Name | None = None
    content: Content
    at: Moment


def shown(message: Outbound) -> BrowserMessage:
    return BrowserMessage(
        id=message.id,
        author=message.author,
        author_name=message.author_name,
        content=message.content,
        at=message.decided_at,
    )
