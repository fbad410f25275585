"""Dead letters of a tenant, and those that name none, which are the installation's. Listed, shown, put back.

What a letter holds is private: it is shown only when asked for, and that is noted in the letter and in the log.
"""

import base64
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from m2n.api_errors import ApiError, json_answer
from m2n.deadletters import DeadLetter, State
from m2n.telemetry import log
from services.tenants.access import Admin, CallerOfRequest, unknown_tenant
from services.tenants.dead_letter_store import DeadLetterStore
from services.tenants.redriving import Redriver

_SUMMARY = {"id", "tenant", "origin", "source", "topic", "group", "reason", "first_at", "last_at", "state", "size"}


@dataclass(frozen=True)
class LetterOffice:
    letters: DeadLetterStore
    redriver: Redriver


def _office(request: Request) -> LetterOffice:
    return request.app.state.letter_office


async def _tenant(request: Request, caller: CallerOfRequest) -> str:
    """The tenant of the address, '' for the letters of none. Raises ApiError 404, 403."""
    tenant_id = request.path_params.get("tenant_id", "")
    if tenant_id:
        caller.require_sight(tenant_id)
    elif caller.tenant:
        raise ApiError(403, "letters that name no tenant are shown to the installation's admin key only")
    return tenant_id


Office = Annotated[LetterOffice, Depends(_office)]
TenantOfAddress = Annotated[str, Depends(_tenant)]


async def list_letters(
    tenant: TenantOfAddress,
    office: Office,
    admin: Admin,
    state: State | None = None,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """The newest first; ``next`` is the ``after`` of the next page."""
    last = await _known(office, tenant, after) if after else None
    found = await office.letters.page(tenant, state, last, limit)
    if not found and tenant and await admin.store.read(tenant) is None:
        raise unknown_tenant(tenant)
    following = found[-1].id if len(found) == limit else None
    return json_answer({"dead_letters": [_summary(letter) for letter in found], "next": following})


async def show_letter(
    letter_id: str, tenant: TenantOfAddress, office: Office, caller: CallerOfRequest, body: bool = False
) -> Response:
    """What is known of the letter and what happened to it; with ``?body=true`` also what it holds."""
    letter = await _known(office, tenant, letter_id)
    shown = _summary(letter) | {"history": [line.model_dump(mode="json") for line in letter.history]}
    if not body:
        return json_answer(shown)
    await office.letters.note(letter, caller.name, "its body was read")
    log().info("dead letter's body read", letter=letter.id, tenant=tenant, by=caller.name)
    return json_answer(shown | _body(letter.body), headers={"cache-control": "no-store"})


async def redrive_letter(letter_id: str, tenant: TenantOfAddress, office: Office, caller: CallerOfRequest) -> Response:
    """Put it back, once. 200 when that is done, 202 when it will be; 409 unless it is kept."""
    claimed = await office.letters.claim(tenant, letter_id, caller.name)
    if claimed is None:
        raise _not_claimed(await _known(office, tenant, letter_id))
    state = await office.redriver.send(claimed)
    if state is State.KEPT:
        raise ApiError(409, "it could not be put back; its history says why")
    return json_answer({"id": letter_id, "state": state}, 200 if state is State.REDRIVEN else 202)


async def redrive_all(tenant: TenantOfAddress, office: Office, caller: CallerOfRequest) -> Response:
    """Put back all that are kept now, the oldest first; 202, for it goes on behind the answer."""
    count = await office.letters.claim_all(tenant, caller.name)
    office.redriver.wake()
    return json_answer({"redriving": count}, 202)


router = APIRouter()
for _prefix in ("/v1/tenants/{tenant_id}/dead-letters", "/v1/dead-letters"):
    router.add_api_route(_prefix, list_letters, methods=["GET"])
    router.add_api_route(f"{_prefix}/redrive", redrive_all, methods=["POST"])
    router.add_api_route(f"{_prefix}/{{letter_id}}", show_letter, methods=["GET"])
    router.add_api_route(f"{_prefix}/{{letter_id}}/redrive", redrive_letter, methods=["POST"])


async def _known(office: LetterOffice, tenant: str, letter_id: str) -> DeadLetter:
    letter = await office.letters.get(tenant, letter_id)
    if letter is None:
        raise ApiError(404, f"there is no dead letter '{letter_id[:63]}' here")
    return letter


def _not_claimed(letter: DeadLetter) -> ApiError:
    if not letter.returnable:
        return ApiError(409, "it is no event of ours, so it has no place to go back to")
    if letter.redrive is None or letter.state is State.KEPT:
        return ApiError(409, "its state has just changed; look at it and try again")
    return ApiError(409, f"it is {letter.state.value} since {letter.redrive.at.isoformat()} by {letter.redrive.by}")


def _summary(letter: DeadLetter) -> dict[str, Any]:
    known = letter.model_dump(mode="json", include=_SUMMARY)
    redrive = letter.redrive.model_dump(mode="json", include={"at", "by"}) if letter.redrive else None
    return known | {"tries": letter.tries or None, "redrive": redrive}


def _body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}
