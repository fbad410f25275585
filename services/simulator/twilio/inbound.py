"""A customer writes: Twilio's webhook for it, and what Twilio itself does with STOP and START."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from services.simulator.ledger import Kind
from services.simulator.settings import HttpAddress, Phone, Sender, Setup
from services.simulator.state import State
from services.simulator.twilio import opt_out, segments
from services.simulator.twilio.message import API_VERSION, Message, Piece, new_sid
from services.simulator.twilio.numbers import Number, is_whatsapp, of_sender
from services.simulator.twilio.posting import Posted, post
from services.simulator.vendors import facts


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
    media: Annotated[tuple[Media, ...], Field(max_length=10)] = ()
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

    @property
    def words(self) -> str:
        if self.location:
            return ""
        return self.button.text if self.button else self.body


async def write(state: State, sender: Sender, phone: Phone, written: Written, base_url: str) -> tuple[str, Posted]:
    """A customer's message on WhatsApp to a sender; the message's SID and how the webhook went."""
    return await receive(state, of_sender(state, sender), f"whatsapp:{phone}", written, base_url)


async def receive(state: State, number: Number, customer: str, written: Written, base_url: str) -> tuple[str, Posted]:
    """Post the webhook of a customer's message; the message's SID and how it went."""
    sid = written.message_sid or new_sid("MM" if written.media else "SM")
    pieces = tuple(Piece(new_sid("ME"), one.content_type, one.url, state.now()) for one in written.media)
    message = _kept(state, number, customer, written, sid, pieces)
    fields = _fields(state, number, message, written, number.api_url or base_url)
    state.last_inbound[number.address, customer] = state.now()
    known = {"sid": sid, "sender": number.address}
    state.ledger.add(Kind.INBOUND, phone_of(customer), **_shown(number, written, message), **known)
    opt_out.mind(state, number, customer, written.words)
    token = state.tokens[number.account_sid]
    posted = await post(state.http, token, number.line.webhook_url, fields, wants_twiml=True)
    where = {"channel": number.line.channel, "line": number.line.connection, "id": sid}
    state.ledger.add(Kind.WEBHOOK, phone_of(customer), **where, **known, **vars(posted))
    return sid, posted


def phone_of(address: str) -> str:
    return address.removeprefix("whatsapp:")


def _kept(
    state: State, number: Number, customer: str, written: Written, sid: str, pieces: tuple[Piece, ...]
) -> Message:
    message = Message(
        account_sid=number.account_sid,
        sender=customer,
        to=number.address,
        created=state.now(),
        direction="inbound",
        body=written.words,
        pieces=pieces,
        messaging_service_sid=number.service,
        status="received",
        sid=sid,
    )
    state.messages[sid] = message
    return message


def _shown(number: Number, written: Written, message: Message) -> dict[str, Any]:
    """For the ledger: as it was written, and in the shape that all channels have."""
    own = written.model_dump(exclude_none=True, exclude_defaults=True, exclude={"message_sid", "to", "extra"})
    pictures = [piece.url for piece in message.pieces if piece.content_type.startswith("image/")]
    files = [piece.url for piece in message.pieces if not piece.content_type.startswith("image/")]
    place = written.location.model_dump() if written.location else None
    return facts(number.line, message.sid, text=written.words, pictures=pictures, files=files, place=place, **own)


def _fields(state: State, number: Number, message: Message, written: Written, base_url: str) -> dict[str, str]:
    sid, body = message.sid, written.words
    fields = {
        "SmsMessageSid": sid,
        "NumMedia": str(len(message.pieces)),
        "SmsSid": sid,
        "SmsStatus": "received",
        "Body": body,
        "To": number.address,
        "NumSegments": str(1 if is_whatsapp(number.address) or message.pieces else segments.count(body)),
        "MessageSid": sid,
        "AccountSid": number.account_sid,
        "From": message.sender,
        "ApiVersion": API_VERSION,
    }
    if number.service:
        fields["MessagingServiceSid"] = number.service
    own = _whatsapp_fields(number, message, written) if is_whatsapp(number.address) else _sms_fields()
    for at, piece in enumerate(message.pieces):
        fields[f"MediaUrl{at}"] = f"{base_url.rstrip('/')}{message.uri}/Media/{piece.sid}"
        fields[f"MediaContentType{at}"] = piece.content_type
    return fields | own | opt_out.webhook_fields(state, number, body) | written.extra


def _sms_fields() -> dict[str, str]:
    """What Twilio believes to know of where the numbers are: little."""
    known = {"FromCountry": "US", "ToCountry": "US"}
    places = [f"{end}{what}" for end in ("From", "To") for what in ("City", "State", "Zip")]
    return dict.fromkeys(places, "") | known


def _whatsapp_fields(number: Number, message: Message, written: Written) -> dict[str, str]:
    phone = phone_of(message.sender)
    fields = {"ProfileName": written.profile_name or phone, "MessageType": _message_type(written)}
    if phone.startswith("+"):
        fields["WaId"] = phone.removeprefix("+")
    if written.external_user_id:
        fields["ExternalUserId"] = written.external_user_id
    if written.location:
        place = written.location
        fields |= {"Latitude": str(place.latitude), "Longitude": str(place.longitude)}
        fields |= {name: value for name, value in (("Address", place.address), ("Label", place.label)) if value}
    if written.button:
        fields |= {"ButtonText": written.button.text, "ButtonPayload": written.button.payload}
    if written.reply_to:
        fields |= {"OriginalRepliedMessageSid": written.reply_to, "OriginalRepliedMessageSender": number.address}
    return fields


def _message_type(written: Written) -> str:
    if written.location:
        return "location"
    if written.button:
        return "button"
    if written.media:
        kind = written.media[0].content_type.partition("/")[0]
        return kind if kind in ("image", "audio", "video") else "document"
    return "text"
