"""What the certification kit needs to check WhatsApp through Twilio."""

from pathlib import Path

from m2n.certify.certificate import Certificate
from m2n.message import ReceiptStatus
from services.channels.twilio_core.certifying import ANSWERS, form, sign, statuses, webhook
from services.channels.whatsapp_twilio.adapter import channel

ACCOUNT, SENDER, CUSTOMER = "AC0123456789abcdef0123456789abcdef", "whatsapp:+15550100001", "whatsapp:+15550100002"
_MESSAGE = {
    "AccountSid": ACCOUNT,
    "From": CUSTOMER,
    "To": SENDER,
    "NumMedia": "0",
    "NumSegments": "1",
    "SmsStatus": "received",
    "ApiVersion": "2010-04-01",
    "ProfileName": "Ada Example",
    "WaId": "15550100002",
}
_STATUS = {
    "AccountSid": ACCOUNT,
    "From": SENDER,
    "To": CUSTOMER,
    "MessageSid": "SM" + "5" * 32,
    "SmsSid": "SM" + "5" * 32,
}


def text_message(id_: str, text: str) -> bytes:
    return form({**_MESSAGE, "MessageSid": id_, "SmsSid": id_, "Body": text, "MessageType": "text"})


certificate = Certificate(
    channel=channel,
    settings={"account_sid": ACCOUNT, "sender": SENDER},
    secrets={"auth-token": "an auth token for certification"},
    fixtures=Path(__file__).with_name("fixtures"),
    request=webhook("https://hooks.example/webhooks/whatsapp_twilio/acme-whatsapp-twilio"),
    sign=sign,
    text_message=text_message,
    unknown_type=form({**_MESSAGE, "MessageSid": "SM" + "6" * 32, "Body": "two coffees", "MessageType": "order"}),
    answers=ANSWERS,
    statuses=statuses(_STATUS, tuple(ReceiptStatus)),
)
