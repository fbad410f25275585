"""Which numbers there are at Twilio: tenants' lines, and senders that were set up one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.simulator.settings import Sender
from services.simulator.state import State
from services.simulator.twilio.vendor import Vendor, vendor_of
from services.simulator.vendors import Line

WHATSAPP, SMS = "whatsapp_twilio", "sms"


@dataclass(frozen=True)
class Number:
    """A business's address, whose it is, and where what customers write to it is posted."""

    address: str
    account_sid: str
    line: Line
    service: str | None = None
    """The messaging service that it belongs to."""

    @property
    def group(self) -> str:
        """What a STOP closes: the number, or the whole messaging service."""
        return self.service or self.address

    @property
    def api_url(self) -> str | None:
        """Where its connection finds Twilio's API."""
        return self.line.settings.get("base_url")


def is_whatsapp(address: str) -> bool:
    return address.startswith("whatsapp:")


def channel_of(address: str) -> str:
    return WHATSAPP if is_whatsapp(address) else SMS


def addresses(line: Line, vendor: Vendor) -> tuple[str, ...]:
    """A line's numbers: its sender, else those of its messaging service on its channel."""
    sender, service = line.settings.get("sender"), line.settings.get("messaging_service_sid")
    if sender:
        return (sender,)
    known = vendor.services.get(service or "")
    return tuple(one for one in known.senders if channel_of(one) == line.channel) if known else ()


def find(state: State, address: str, account_sid: str | None = None) -> Number | None:
    """The number with that address, lines first; with an account, only if it is the account's."""
    vendor = vendor_of(state)
    for line in _lines(state):
        if address in addresses(line, vendor) and account_sid in (None, line.settings["account_sid"]):
            return _number(address, line.settings["account_sid"], line, vendor)
    sender = state.senders.get(address)
    if sender is None or account_sid not in (None, sender.account_sid):
        return None
    return _number(address, sender.account_sid, _line(sender), vendor)


def of_service(state: State, service: str, channel: str) -> list[Number]:
    """A messaging service's numbers on a channel."""
    known = vendor_of(state).services[service]
    found = [find(state, one, known.account_sid) for one in known.senders if channel_of(one) == channel]
    return [number for number in found if number is not None]


def _lines(state: State) -> Iterator[Line]:
    return (line for line in state.lines.values() if line.channel in (WHATSAPP, SMS))


def of_sender(state: State, sender: Sender) -> Number:
    """A sender's number, with the sender's own webhook even where there is a line for it."""
    known = find(state, sender.sender)
    line = _line(sender)
    if known is not None:
        line = known.line.model_copy(update={"webhook_url": sender.webhook_url})
    return _number(sender.sender, sender.account_sid, line, vendor_of(state))


def _number(address: str, account_sid: str, line: Line, vendor: Vendor) -> Number:
    return Number(address, account_sid, line, vendor.service_of(address))


def _line(sender: Sender) -> Line:
    """A line for a sender that was set up without one; its webhook's address ends with the connection."""
    connection = urlsplit(sender.webhook_url).path.rpartition("/")[2][:64] or sender.sender
    return Line(
        channel=channel_of(sender.sender),
        connection=connection,
        title=sender.title,
        webhook_url=sender.webhook_url,
    )
