"""A conversation as an agent sees it: with links to the media, and with what became of the agent's messages."""

from dataclasses import dataclass
from typing import Any

from m2n.database import Database
from m2n.media import MediaLibrary, MediaRecord
from m2n.media_links import FOR_PEOPLE
from m2n.message import Author, Media, MediaState, media_of
from services.handover.desk.conversation import Conversation, DeskLine
from services.handover.desk.replies import say_id

HIDDEN = {"tenant", "profile_id", "agent_key"}


@dataclass(frozen=True)
class AgentView:
    library: MediaLibrary
    database: Database

    async def whole(self, conversation: Conversation) -> dict[str, Any]:
        """All of it, in JSON's terms. Raises MediaStoreUnavailable and pymongo's errors."""
        shown = conversation.model_dump(mode="json", exclude=HIDDEN)
        results = await self._results(conversation)
        pieces = [media_of(line.content) for line in conversation.lines]
        records = await self.library.records(conversation.tenant, {each.id for each in pieces if each and each.id})
        for line, media, fields in zip(conversation.lines, pieces, shown["lines"], strict=True):
            if media is not None:
                fields["media"] = self._media(conversation.tenant, media, records.get(media.id or ""))
            if line.author is Author.AGENT:
                fields["delivery"] = results.get(say_id(conversation, line), {"status": "pending"})
        return shown

    def _media(self, tenant: str, media: Media, record: MediaRecord | None) -> dict[str, Any]:
        """``state`` as it is now, a ``link`` for a while where there is one, and the ``problem`` where not."""
        state = record.state if record else media.state
        shown: dict[str, Any] = {
            "state": state.value if state else None,
            "mime": media.mime,
            "filename": media.filename,
        }
        if record and record.state is MediaState.STORED:
            shown |= {"link": self.library.link(tenant, record.id, FOR_PEOPLE), "size_bytes": record.size_bytes}
            shown["mime"] = record.mime
        elif media.state is None:
            shown["link"] = media.url
        problem = (record.problem if record else media.problem) if state is not MediaState.STORED else None
        return shown | ({"problem": problem} if problem else {})

    async def _results(self, conversation: Conversation) -> dict[str, dict[str, Any]]:
        """By the id of what the agent said: sent, delivered, read, failed or uncertain, and why."""
        if not any(line.author is Author.AGENT for line in conversation.lines):
            return {}
        where = {"tenant": conversation.tenant, "session_id": conversation.session_id, "author": Author.AGENT.value}
        fields = {"reply_id": 1, "status": 1, "failed": 1, "error": 1}
        found = await self.database["messages"].find(where, fields).to_list()
        return {each["reply_id"]: _result(each) for each in found if each.get("reply_id")}


def _result(message: dict[str, Any]) -> dict[str, Any]:
    status = "failed" if message.get("failed") else message.get("status", "pending")
    error = message.get("error") if status in ("failed", "uncertain") else None
    return {"status": status} | ({"code": error["code"], "problem": error.get("reason", "")} if error else {})


def listed(conversation: Conversation) -> dict[str, Any]:
    """One of many: without its lines but the last."""
    last: DeskLine | None = conversation.lines[-1] if conversation.lines else None
    shown = conversation.model_dump(mode="json", exclude={*HIDDEN, "lines", "notes"})
    return shown | {"last_line": last.model_dump(mode="json") if last else None}
