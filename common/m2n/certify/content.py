"""Checks that a customer's text comes through as it was written."""

from collections.abc import Iterator

from m2n.adapters.channel import Parsed
from m2n.certify.certificate import Certificate
from m2n.certify.findings import Finding
from m2n.certify.intake import described
from m2n.certify.sample import TEXT_ID, read
from m2n.message import TextContent

TEXTS = {
    "an emoji": "good morning 😀",
    "an emoji of several parts": "👩🏽‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 ❤️ 🇩🇪",
    "64 KB of emoji": "😀" * 16_384,
    "right-to-left": "مرحبا، كيف حالك؟ שלום (abc) 123",
    "marks of direction": "a\u202eb\u202c \u200fc\u200e",
    "accents that are characters of their own": "Cafe\u0301 A\u030a n\u0303",
    "NUL": "before\0after",
    "control characters": "bell\a escape\x1b[31m delete\x7f",
    "line breaks": "one\ntwo\n\nthree",
    "spaces": "a  b   c",
    "the ends of Unicode": "\ufeff\ufffd\U0010fffd",
    "what looks like a form": "a=b&c=%41+d;e",
    "what looks like markup": "<b>&amp;\"'</b> {{x}} ${y} %s \\n",
    "a duration": "5h",
    "a date": "2024-06-01 please book",
    "an ISO duration": "P1D",
    "null": "null",
    "JSON": '{"status":"RETRY"}',
    "a number": "007",
    "truth": "true",
}


def characters(certificate: Certificate) -> Iterator[Finding]:
    """Each text comes through equal in every character."""
    for name, text in TEXTS.items():
        parsed = read(certificate, certificate.text_message(TEXT_ID, text))
        found = [message.content for message in parsed.messages] if isinstance(parsed, Parsed) else []
        if found != [TextContent(text=text)]:
            seen = "another text" if [content.type for content in found] == ["text"] else described(parsed)
            do = "decode the body as UTF-8 once, and neither strip, unescape nor interpret the text"
            yield Finding(f"a text with {name}", "the same text", seen, do)
