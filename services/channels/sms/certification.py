"""What the certification kit needs to check SMS through Twilio."""

from pathlib import Path

from m2n.certify.certificate import Certificate
from m2n.message import ReceiptStatus
from services.channels.sms.adapter import channel
from services.channels.twilio_core.certifying import ANSWERS, form, sign, statuses, webhook

ACCOUNT, SENDER, CUSTOMER = "AC0123456789abcdef0123456789abcdef", "+15550100001", "+15550100002"
_MESSAGE = {
    "AccountSid": ACCOUNT,
    "From": CUSTOMER,
    "To": SENDER,
    "NumMedia": "0",
    "NumSegments": "1",
    "SmsStatus": "received",
    "ApiVersion": "2010-04-01",
    "FromCountry": "US",
}
_STATUS = {
    "AccountSid": ACCOUNT,
    "From": SENDER,
    "To": CUSTOMER,
    "MessageSid": "SM" + "5" * 32,
    "SmsSid": "SM" + "5" * 32,
}


def text_message(id_: str, text: str) -> bytes:
    return form({**_MESSAGE, "MessageSid": id_, "SmsSid": id_, "Body": text})


certificate = Certificate(
    channel=channel,
    settings={"account_sid": ACCOUNT, "sender": SENDER},
    secrets={"auth-token": "an auth token for certification"},
    fixtures=Path(__file__).with_name("fixtures"),
    request=webhook("https://hooks.example/webhooks/sms/acme-sms"),
    sign=sign,
    text_message=text_message,
    unknown_type=form({**_MESSAGE, "MessageSid": "SM" + "6" * 32, "Body": "", "MessageType": "hologram"}),
    answers=ANSWERS,
    statuses=statuses(_STATUS, [status for status in ReceiptStatus if status is not ReceiptStatus.READ]),
)
