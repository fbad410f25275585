"""A contact as a vCard 3.0 (RFC 2426), which Telegram shows with all its numbers and addresses."""

from m2n.message import Contact

MAX_VCARD = 2048
"""Longest vCard in bytes that ``sendContact`` takes."""


def vcard(contact: Contact) -> str:
    name = _escaped(contact.name)
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{name}", f"N:;{name};;;"]
    lines += [f"TEL:{_escaped(phone)}" for phone in contact.phones]
    lines += [f"EMAIL:{_escaped(email)}" for email in contact.emails]
    return "\r\n".join([*lines, "END:VCARD", ""])


def lines_of(contact: Contact) -> list[str]:
    return [contact.name, *contact.phones, *contact.emails]


def _escaped(value: str) -> str:
    r"""RFC 2426, section 4: ``\``, ``,``, ``;`` and line ends stand behind a ``\``."""
    for plain in ("\\", ",", ";"):
        value = value.replace(plain, f"\\{plain}")
    return "\\n".join(value.splitlines())
