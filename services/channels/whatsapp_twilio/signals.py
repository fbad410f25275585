"""What a customer is shown before the answer comes: the message was read, and somebody types.

Twilio has one call for both (Typing Indicators resource, public beta): it marks the customer's message as read and
shows that somebody types, until the answer is there or for 25 seconds.
"""

from m2n.adapters.channel import VendorCall
from services.channels.twilio_core.inbound import vendor_sid
from services.channels.whatsapp_twilio.settings import WhatsAppSettings


def indicator_call(settings: WhatsAppSettings, token: str, vendor_message_id: str) -> VendorCall:
    """For the customer's message of that id. Repeatable: the same is shown again."""
    return VendorCall(
        method="POST",
        url=f"{settings.messaging_url}/v2/Indicators/Typing.json",
        headers={"Accept": "application/json"},
        auth=(settings.account_sid, token),
        form=(("messageId", vendor_sid(vendor_message_id)), ("channel", "whatsapp")),
        repeatable=True,
    )
