"""Small changes to bytes, texts and secrets, as a forger makes them."""

from collections.abc import Iterator, Mapping


def flipped(body: bytes, most: int = 96) -> Iterator[bytes]:
    """Copies with one bit changed, at up to ``most`` places."""
    for place in _places(len(body), most):
        yield body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def altered(text: str, since: int = 0) -> Iterator[str]:
    """Copies with one bit of one character changed.

    The last three are left out: in Base64 they may hold bits that mean nothing.
    """
    for place in range(since, max(len(text) - 3, since + 1)):
        if place < len(text):
            yield text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]


def wrong(secrets: Mapping[str, str]) -> dict[str, str]:
    """Secrets of which each differs in its last letter or digit."""
    return {name: _last_changed(value) for name, value in secrets.items()}


def of_another(secrets: Mapping[str, str]) -> dict[str, str]:
    """Another tenant's secrets: of the same shape, in no place the same."""
    return {name: "".join(map(_turned, value)) for name, value in secrets.items()}


def _places(length: int, most: int) -> Iterator[int]:
    yield from sorted({length * part // most for part in range(most)} if length > most else range(length))


def _last_changed(value: str) -> str:
    for place in range(len(value) - 1, -1, -1):
        if _turned(value[place]) != value[place]:
            return value[:place] + _turned(value[place]) + value[place + 1 :]
    return f"{value}x"


def _turned(character: str) -> str:
    """The next letter or digit of its kind; anything else stays, so that the secret keeps its shape."""
    for alphabet in ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        if character in alphabet:
            return alphabet[(alphabet.index(character) + 1) % len(alphabet)]
    return character
