"""What SMS and MMS through Twilio show and tell.

After Twilio's "Accepted Content Types for Media", and its rates for a long code. Other senders send faster: toll-free
numbers about 3 a second, short codes 10 to 100.
"""

from m2n.adapters.capabilities import MIB, Capabilities, MediaLimit, OptOut, Rate
from m2n.message import ReceiptStatus
from services.channels.sms.segments import GSM7, MAX_SEGMENTS, septets

_LARGEST = 5_000_000
"""Bytes of all that is in a message."""
_PICTURES = ("image/jpeg", "image/jpg", "image/png", "image/gif", "image/bmp", "image/tiff")
_FILES = (
    "application/pdf",
    "application/msword",
    "application/vcard",
    "application/vnd.apple.pkpass",
    "application/vnd.ms-",
    "application/vnd.openxmlformats-officedocument.",
    "text/calendar",
    "text/csv",
    "text/directory",
    "text/richtext",
    "text/rtf",
    "text/vcard",
    "text/x-vcard",
)
CAPTION = 1024
CAPABILITIES = Capabilities(
    text=GSM7.most(MAX_SEGMENTS, wide=True),
    measure=septets,
    media={
        "image": MediaLimit(_LARGEST, _PICTURES),
        "audio": MediaLimit(_LARGEST, ("audio/",)),
        "video": MediaLimit(_LARGEST, ("video/",)),
        "file": MediaLimit(_LARGEST, _FILES),
    },
    captions=dict.fromkeys(("image", "audio", "video", "file"), CAPTION),
    received=dict.fromkeys(("image", "audio", "video", "file"), MediaLimit(16 * MIB)),
    template=True,
    receipts=frozenset(ReceiptStatus) - {ReceiptStatus.READ},
    opt_out=OptOut.VENDOR,
    rate=Rate(per_s=1),
)
