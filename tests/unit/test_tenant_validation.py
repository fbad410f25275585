"""What is said of a tenant document that cannot work."""

from typing import Any

import pytest

from m2n.field_problems import FieldProblem
from m2n.tenant_validation import InvalidTenant, checked_tenant
from tests.unit.adapter_doubles import load


def document(**changes: Any) -> dict[str, Any]:
    phone = {"id": "acme-phone", "kind": "channel", "adapter": "phone", "settings": {"number": 7}}
    phone["secrets"] = {"auth-token": {"key": "acme-token"}}
    bot = {"id": "acme-bot", "kind": "engine", "adapter": "echo"}
    base = {"id": "acme", "name": "Acme", "languages": ["en"], "rules": {"engine": "acme-bot"}}
    return base | {"connections": [phone, bot]} | changes


def problems(**changes: Any) -> dict[str, FieldProblem]:
    with pytest.raises(InvalidTenant) as invalid:
        checked_tenant(document(**changes), load)
    return {problem.field: problem for problem in invalid.value.problems}


def phone(**changes: Any) -> list[dict[str, Any]]:
    connections = document()["connections"]
    return [connections[0] | changes, connections[1]]


def test_a_document_that_fits() -> None:
    tenant = checked_tenant(document(), load)
    assert (tenant.id, len(tenant.connections)) == ("acme", 2)


def test_everything_wrong_is_said_at_once() -> None:
    found = problems(name="", timezone="Berlin", session_timeout_s=1, colour="red")
    assert set(found) == {"name", "timezone", "session_timeout_s", "colour"}
    assert "IANA" in found["timezone"].do
    assert found["session_timeout_s"].expected == "greater than or equal to 10"


def test_a_mistyped_field_gets_advice() -> None:
    assert problems(sesion_timeout_s=60)["sesion_timeout_s"].do == "did you mean 'session_timeout_s'?"
    assert problems(connections=phone(secret={}))["connections[0].secret"].do == "did you mean 'secrets'?"


def test_references_between_fields_name_their_field() -> None:
    assert "'nobody' is not a connection" in problems(rules={"engine": "nobody"})["rules.engine"].expected
    desk = {"engine": "acme-bot", "handover": {"desk": "acme-bot"}}
    assert set(problems(rules=desk)) == {"rules.handover.desk"}
    twice = [*document()["connections"], document()["connections"][0]]
    assert set(problems(connections=twice)) == {"connections"}


def test_settings_are_the_adapters() -> None:
    found = problems(connections=phone(settings={"number": "many", "extra": 1}))
    assert set(found) == {"connections[0].settings.number", "connections[0].settings.extra"}
    nested = problems(connections=phone(settings={"number": 1, "script": "endless"}))
    assert nested == {
        "connections[0].settings.script.scenes[0].end": FieldProblem(
            "connections[0].settings.script.scenes[0].end", "an end", "write one"
        )
    }


def test_missing_secrets_and_adapters_are_named() -> None:
    assert set(problems(connections=phone(secrets={}))) == {"connections[0].secrets.auth-token"}
    unknown = problems(connections=phone(adapter="pigeon"))["connections[0].adapter"]
    assert "installed are: phone, echo" in unknown.expected


def test_values_are_never_quoted() -> None:
    secret = {"auth-token": "the-very-secret"}
    found = problems(
        connections=phone(secrets=secret, settings={"number": "the-very-secret"}), name=["the-very-secret"]
    )
    assert len(found) >= 2
    assert "the-very-secret" not in str(list(found.values()))


@pytest.mark.parametrize("other", [None, [], "acme", 7])
def test_what_is_no_document(other: object) -> None:
    with pytest.raises(InvalidTenant, match="an object with the fields of a tenant"):
        checked_tenant(other, load)
