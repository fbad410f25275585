"""A dead letter that is being put back, as the service sees it that has to take it again."""

from fastapi import HTTPException

from m2n.deadletters import DeadLetter, DeadLetters, Source

ROUTE = "/internal/dead-letters/{letter_id}/redrives/{redrive_id}"


async def letter_under_way(letters: DeadLetters, source: Source, letter_id: str, redrive_id: str) -> DeadLetter:
    """The letter, with its body. Raises 409 when that redrive is over, and PyMongoError."""
    letter = await letters.get(letter_id)
    if letter is None or letter.source is not source or not letter.is_being_put_back(redrive_id):
        raise HTTPException(409, "this redrive is not under way")
    return letter
