"""What the certification kit needs to check calls through Twilio."""

from pathlib import Path

from m2n.adapters.channel import Accepted, Refused, Retry
from m2n.certify.certificate import Answer, Certificate
from services.channels.twilio_core.certifying import form, sign, webhook
from services.channels.voice.adapter import channel

ACCOUNT, NUMBER, CALLER = "AC0123456789abcdef0123456789abcdef", "+15550100001", "+15550100002"
_CALL = {
    "AccountSid": ACCOUNT,
    "From": CALLER,
    "To": NUMBER,
    "Caller": CALLER,
    "Called": NUMBER,
    "CallStatus": "in-progress",
    "Direction": "inbound",
    "ApiVersion": "2010-04-01",
}


def text_message(id_: str, text: str) -> bytes:
    """What a caller says first in a call of that id, which is all the id that spoken words have."""
    return form({**_CALL, "CallSid": id_, "SpeechResult": text, "Confidence": "0.91"})


certificate = Certificate(
    channel=channel,
    settings={"account_sid": ACCOUNT, "number": NUMBER},
    secrets={"auth-token": "an auth token for certification"},
    fixtures=Path(__file__).with_name("fixtures"),
    request=webhook("https://hooks.example/webhooks/voice/acme-voice"),
    sign=sign,
    text_message=text_message,
    unknown_type=form({**_CALL, "CallSid": "CA" + "6" * 32, "CallStatus": "hologram", "To": "+15550109999"}),
    answers=(
        Answer("put into the call's inbox", 200, b'{"new":true}', Accepted),
        Answer("was there", 200, b'{"new":false}', Accepted),
        Answer("the caller has hung up", 410, b'{"detail":"the call is over"}', Refused),
        Answer("the connection is gone", 404, b'{"detail":"there is no voice connection of this id"}', Refused),
        Answer("the database is away", 500, b"Internal Server Error", Retry),
        Answer("the sidecar found nobody", 502, b"", Retry),
    ),
)
