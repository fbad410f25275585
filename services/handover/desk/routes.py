"""The agents' API. The tenant is the API key's; every POST may be repeated and takes effect once, but for notes."""

from typing import Annotated, Self

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from m2n.api_errors import ApiError, json_answer
from m2n.field_problems import FieldProblem
from m2n.tenant import Config
from services.handover.desk.access import Api, CallingAgent, DeskApi
from services.handover.desk.conversation import MAX_TEXT, Agent, Closing, Conversation, Status
from services.handover.desk.shown import listed
from services.handover.desk.uploads import content_of

router = APIRouter(prefix="/v1/desk/conversations")


def _visible(text: str) -> str:
    if not text.strip():
        raise ValueError("expected text that can be seen; write some")
    return text


AgentName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
ShownText = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_visible)]


class Acceptance(Config):
    agent: AgentName
    """The name that the customer and the other agents see."""


class NewMessage(Config):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    """Made by the client: a repeated id is the same message."""
    text: ShownText | None = None
    media: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    """Id of an uploaded piece; the text is its caption."""
    agent: AgentName | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.text is None and self.media is None:
            raise ValueError("expected text, media or both; write one")
        return self


class NewNote(Config):
    text: ShownText
    agent: AgentName | None = None


class Leaving(Config):
    agent: AgentName | None = None
    """Left out: whoever accepted with this API key."""


@router.get("")
async def list_conversations(
    api: Api,
    agent: CallingAgent,
    status: Status = Status.WAITING,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Open ones oldest first, closed ones newest first; ``next`` is the ``after`` of the next page."""
    behind = await api.conversations.get(agent.tenant, after) if after else None
    if after and behind is None:
        problem = FieldProblem("after", "the id of a conversation", "take it from 'next' of the page before")
        raise ApiError(422, "the request has fields that do not fit", (problem,))
    found = await api.conversations.page(agent.tenant, status, behind, limit)
    following = found[-1].id if len(found) == limit else None
    return json_answer({"conversations": [listed(conversation) for conversation in found], "next": following})


@router.get("/{conversation_id}")
async def get_conversation(conversation_id: str, api: Api, agent: CallingAgent) -> Response:
    return await _answer(api, await api.work.known(agent.tenant, conversation_id))


@router.post("/{conversation_id}/accept")
async def accept(conversation_id: str, body: Acceptance, api: Api, agent: CallingAgent) -> Response:
    """Take a waiting conversation; 409 when somebody else has it."""
    return await _answer(api, await api.work.accept(_named(agent, body.agent), conversation_id))


@router.post("/{conversation_id}/messages")
async def say(conversation_id: str, body: NewMessage, api: Api, agent: CallingAgent) -> Response:
    """Write to the customer; only the agent who accepted can."""
    content = await content_of(api.library, agent.tenant, body.text, body.media)
    return await _answer(api, await api.work.say(_named(agent, body.agent), conversation_id, body.id, content))


@router.post("/{conversation_id}/typing", status_code=204)
async def type_on(conversation_id: str, api: Api, agent: CallingAgent, body: Leaving | None = None) -> Response:
    """Show the customer that the agent writes, where the channel can; say it again every few seconds."""
    await api.work.typing(_named(agent, body.agent if body else None), conversation_id)
    return Response(status_code=204)


@router.post("/{conversation_id}/notes")
async def note(conversation_id: str, body: NewNote, api: Api, agent: CallingAgent) -> Response:
    """Write to the other agents; the customer never sees it."""
    return await _answer(api, await api.work.note(_named(agent, body.agent), conversation_id, body.text))


@router.post("/{conversation_id}/end")
async def end(conversation_id: str, api: Api, agent: CallingAgent, body: Leaving | None = None) -> Response:
    """Done: the bot answers what the customer says next."""
    return await _close(api, agent, conversation_id, body, Closing.ENDED)


@router.post("/{conversation_id}/return")
async def give_back(conversation_id: str, api: Api, agent: CallingAgent, body: Leaving | None = None) -> Response:
    """Back to the bot, which answers the customer's last messages too."""
    return await _close(api, agent, conversation_id, body, Closing.RETURNED)


async def _close(api: Api, agent: Agent, conversation_id: str, body: Leaving | None, why: Closing) -> Response:
    named = _named(agent, body.agent if body else None)
    return await _answer(api, await api.work.close(named, conversation_id, why))


def _named(agent: Agent, name: str | None) -> Agent:
    return agent.model_copy(update={"name": name})


async def _answer(api: DeskApi, conversation: Conversation) -> Response:
    return json_answer(await api.view.whole(conversation))
