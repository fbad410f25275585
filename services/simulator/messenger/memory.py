"""What Messenger remembers: Pages, the people who wrote to them, and the ids of messages."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.simulator.messenger.page import Page
from services.simulator.state import State

WINDOW, HUMAN_AGENT_WINDOW = timedelta(hours=24), timedelta(days=7)


@dataclass
class Person:
    """One customer of one Page. ``acted_at``: when they last did what opens the window; None: never."""

    page: Page
    customer: str
    psid: str
    name: str = ""
    acted_at: datetime | None = None
    blocks: bool = False
    mids: set[str] = field(default_factory=set)
    """Messages of the conversation, both ways."""

    def acted_within(self, window: timedelta, now: datetime) -> bool:
        return self.acted_at is not None and now - self.acted_at <= window


@dataclass
class Memory:
    """``generation`` counts how often conversations were forgotten; what is from before is not told any more."""

    state: State
    pages: dict[str, Page] = field(default_factory=dict)
    people: dict[tuple[str, str], Person] = field(default_factory=dict)
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Address and type of customers' files, by the id in their links."""
    said_at_ms: dict[str, int] = field(default_factory=dict)
    """When what a customer did happened, by its id: the same again is of the same time."""
    edits: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the edits of each message, in order."""
    generation: int = 0

    def enter(self, page: Page) -> None:
        """Raises ValueError when the Page or its token is another connection's."""
        for other in self.pages.values():
            if other.line.connection == page.line.connection:
                continue
            if other.id == page.id:
                raise ValueError(f"settings.page_id: already of connection {other.line.connection!r}")
            if other.token == page.token:
                raise ValueError(f"secrets.page-token: already of connection {other.line.connection!r}")
        self.pages = {id_: one for id_, one in self.pages.items() if one.line.connection != page.line.connection}
        self.pages[page.id] = page
        for person in self.people.values():
            if person.page.id == page.id:
                person.page = page

    def page_of_token(self, token: str) -> Page | None:
        return next((page for page in self.pages.values() if secrets.compare_digest(page.token, token)), None)

    def person(self, page: Page, customer: str) -> Person:
        """The customer, who becomes known to the Page with their first message."""
        psid = page.psid(customer)
        return self.people.setdefault((page.id, psid), Person(page, customer, psid))

    def known(self, page: Page, psid: str) -> Person | None:
        """Whom the Page can write to. Where strangers count as customers, any PSID is one."""
        found = self.people.get((page.id, psid))
        if found is None and self.state.strangers_wrote and psid.isascii() and psid.isdigit():
            found = self.people.setdefault((page.id, psid), Person(page, psid, psid, acted_at=self.state.now()))
        return found

    def edit_number(self, mid: str, id_: str) -> int:
        """The how-manieth edit of the message it is; a repeat has its first number."""
        known = self.edits.setdefault(mid, [])
        if id_ not in known:
            known.append(id_)
        return known.index(id_) + 1

    def now_ms(self) -> int:
        return round(self.state.now().timestamp() * 1000)

    def forget(self) -> None:
        self.people.clear()
        self.files.clear()
        self.said_at_ms.clear()
        self.edits.clear()
        self.generation += 1


def new_mid() -> str:
    return f"m_{secrets.token_urlsafe(48)}"
