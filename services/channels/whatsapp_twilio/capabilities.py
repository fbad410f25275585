"""What WhatsApp through Twilio shows and tells.

After Twilio's "Guidance on WhatsApp Media Messages" and "WhatsApp rate limits". Buttons and lists are no part of it:
at Twilio they are content templates that each tenant makes, which an adapter cannot know.
"""

from m2n.adapters.capabilities import MIB, Capabilities, MediaLimit, OptOut, Rate
from m2n.message import ReceiptStatus
from services.channels.twilio_core.sending import MAX_BODY

_LARGEST = 16 * MIB
_DOCUMENTS = (
    "application/pdf",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.",
    "application/vnd.ms-",
    "text/vcard",
    "text/x-vcard",
)
CAPABILITIES = Capabilities(
    text=MAX_BODY,
    media={
        "image": MediaLimit(5 * MIB, ("image/jpeg", "image/jpg", "image/png")),
        "audio": MediaLimit(_LARGEST, ("audio/aac", "audio/amr", "audio/mpeg", "audio/ogg", "audio/3gpp", "audio/mp4")),
        "video": MediaLimit(_LARGEST, ("video/mp4",)),
        "file": MediaLimit(_LARGEST, _DOCUMENTS),
        "sticker": MediaLimit(500 * 1024, ("image/webp",)),
    },
    captions={"image": 1024, "video": 1024},
    received=dict.fromkeys(("image", "audio", "video", "file", "sticker"), MediaLimit(_LARGEST)),
    location=True,
    template=True,
    signals=frozenset({"typing", "read"}),
    receipts=frozenset(ReceiptStatus),
    opt_out=OptOut.VENDOR,
    rate=Rate(per_s=80, burst=80),
)
