"""A customer writes on WhatsApp: Twilio's webhook for it, and what Twilio itself does with STOP and START."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from services.simulator.ledger import Kind
from services.simulator.settings import HttpAddress, Phone, Sender, Setup
from services.simulator.state import State
from services.simulator.twilio.message import API_VERSION, Message, new_sid
from services.simulator.twilio.posting import Posted, post

STOP_WORDS = frozenset({"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
STOPPED = "You have successfully been unsubscribed. You will not receive any more messages. Reply START to resubscribe."
STARTED = "You have successfully been re-subscribed to messages from this number. Reply STOP to unsubscribe."


class Media(Setup):
    url: HttpAddress
    content_type: str


class Button(Setup):
    """A button that was pressed: what the developer gave it, and what stands on it."""

    payload: str
    text: str


class Location(Setup):
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    label: str = ""
    address: str = ""


class Written(Setup):
    """What a customer sends to the sender ``to``. With ``message_sid`` the same message can be sent again."""

    to: str
    body: str = ""
    media: tuple[Media, ...] = ()
    button: Button | None = None
    location: Location | None = None
    reply_to: str | None = None
    profile_name: str = ""
    external_user_id: str | None = None
    message_sid: str | None = None
    extra: dict[str, str] = {}
    """Further parameters, to try what Twilio may add one day."""

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if not (self.body or self.media or self.button or self.location or self.extra):
            raise ValueError("expected one of body, media, button and location")
        return self


async def write(state: State, sender: Sender, phone: Phone, written: Written, base_url: str) -> tuple[str, Posted]:
    """Post the webhook of a customer's message; the message's SID and how it went."""
    sid = written.message_sid or new_sid("MM" if written.media else "SM")
    customer = f"whatsapp:{phone}"
    fields = _fields(state, sender, phone, written, sid, base_url)
    state.last_inbound[sender.sender, customer] = state.now()
    _keep(state, sender, customer, fields["Body"], sid)
    facts = written.model_dump(exclude_none=True, exclude_defaults=True, exclude={"message_sid", "to", "extra"})
    state.ledger.add(Kind.INBOUND, phone, sid=sid, sender=sender.sender, **facts)
    _mind_opt_out(state, sender, phone, fields["Body"])
    posted = await post(state.http, state.tokens[sender.account_sid], sender.webhook_url, fields)
    state.ledger.add(Kind.WEBHOOK, phone, sid=sid, sender=sender.sender, **vars(posted))
    return sid, posted


def _keep(state: State, sender: Sender, customer: str, body: str, sid: str) -> None:
    state.messages[sid] = Message(
        account_sid=sender.account_sid,
        sender=customer,
        to=sender.sender,
        created=state.now(),
        direction="inbound",
        body=body,
        status="received",
        sid=sid,
    )


def _fields(state: State, sender: Sender, phone: str, written: Written, sid: str, base_url: str) -> dict[str, str]:
    body = written.button.text if written.button else written.body
    fields = {
        "SmsMessageSid": sid,
        "NumMedia": str(len(written.media)),
        "ProfileName": written.profile_name or phone,
        "MessageType": _message_type(written),
        "SmsSid": sid,
        "WaId": phone.removeprefix("+"),
        "SmsStatus": "received",
        "Body": "" if written.location else body,
        "To": sender.sender,
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": sender.account_sid,
        "From": f"whatsapp:{phone}",
        "ApiVersion": API_VERSION,
    }
    return fields | _content_fields(state, sender, written, sid, base_url) | written.extra


def _message_type(written: Written) -> str:
    if written.location:
        return "location"
    if written.button:
        return "button"
    if written.media:
        kind = written.media[0].content_type.partition("/")[0]
        return kind if kind in ("image", "audio", "video") else "document"
    return "text"


def _content_fields(state: State, sender: Sender, written: Written, sid: str, base_url: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    if written.location:
        place = written.location
        fields |= {"Latitude": str(place.latitude), "Longitude": str(place.longitude)}
        fields |= {name: value for name, value in (("Address", place.address), ("Label", place.label)) if value}
    if written.button:
        fields |= {"ButtonText": written.button.text, "ButtonPayload": written.button.payload}
    if written.reply_to:
        fields |= {"OriginalRepliedMessageSid": written.reply_to, "OriginalRepliedMessageSender": sender.sender}
    if written.external_user_id:
        fields["ExternalUserId"] = written.external_user_id
    for number, media in enumerate(written.media):
        fields[f"MediaUrl{number}"] = _media_url(state, sender, media, sid, base_url)
        fields[f"MediaContentType{number}"] = media.content_type
    return fields


def _media_url(state: State, sender: Sender, media: Media, sid: str, base_url: str) -> str:
    """Twilio's own address of the media, which wants the account's credentials and leads on to the file."""
    media_sid = new_sid("ME")
    state.media[media_sid] = media.url
    return f"{base_url}/{API_VERSION}/Accounts/{sender.account_sid}/Messages/{sid}/Media/{media_sid}"


def _mind_opt_out(state: State, sender: Sender, phone: str, body: str) -> None:
    """STOP blocks the pair and START opens it again; Twilio answers both itself."""
    word, pair = body.strip().upper(), (sender.sender, f"whatsapp:{phone}")
    if word in STOP_WORDS and pair not in state.opted_out:
        state.opted_out.add(pair)
        _answer(state, sender, phone, STOPPED)
    elif word in START_WORDS and pair in state.opted_out:
        state.opted_out.discard(pair)
        _answer(state, sender, phone, STARTED)


def _answer(state: State, sender: Sender, phone: str, body: str) -> None:
    state.ledger.add(Kind.OUTBOUND, phone, sid=new_sid("SM"), sender=sender.sender, body=body, by="twilio", seen=True)
