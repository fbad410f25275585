"""What Meta decides of a message that is well-formed: whether this customer gets it now.

A template's name says how it is here: one that ends in a number has so many variables (``order_update_2``), one that
begins with ``no_`` does not exist. A number that ends in 0000 is not on WhatsApp.
"""

import re

from services.simulator.state import State
from services.simulator.whatsapp_cloud.memory import Memory
from services.simulator.whatsapp_cloud.numbers import Number
from services.simulator.whatsapp_cloud.people import Person, digits_of, person
from services.simulator.whatsapp_cloud.problems import (
    NO_MARKETING,
    NO_TEMPLATE,
    SAME_NUMBER,
    UNDELIVERABLE,
    WINDOW,
    Problem,
    invalid,
    variables,
)
from services.simulator.whatsapp_cloud.requests import Send, Template

_VARIABLES = re.compile(r"_([0-9]{1,2})$")
_NOBODY = "0000"


def addressee(number: Number, send: Send, memory: Memory) -> Person | Problem:
    """A number is taken to be somebody's; a BSUID is known only of who has one."""
    id_ = send.to or send.recipient or ""
    known = memory.people.find(number, id_)
    if known is not None:
        return known
    digits = digits_of(id_)
    if digits is None or digits.endswith(_NOBODY):
        return UNDELIVERABLE
    return person(number, f"+{digits}")


def problem_of(number: Number, send: Send, who: Person, memory: Memory, state: State) -> Problem | None:
    if send.to and digits_of(send.to) == number.display:
        return SAME_NUMBER
    if send.reaction and send.reaction.message_id not in memory.messages:
        return invalid("reaction.message_id: there is no such message in the conversation")
    if send.template:
        return _of_template(number, send.template, who, memory)
    return None if memory.window_open(number, who, state.now(), strangers=state.strangers_wrote) else WINDOW


def _of_template(number: Number, template: Template, who: Person, memory: Memory) -> Problem | None:
    if (number.phone_number_id, who.customer) in memory.no_marketing:
        return NO_MARKETING
    if template.name.startswith("no_"):
        return NO_TEMPLATE
    wanted = _VARIABLES.search(template.name)
    given = len(template.variables)
    return variables(int(wanted[1]), given) if wanted and int(wanted[1]) != given else None
