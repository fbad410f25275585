"""The channel passes the certification kit, and its goldens say what its fixtures come to."""

import orjson

from m2n.certify.checks import certify
from services.channels.voice.certification import certificate


def test_the_channel_is_certified() -> None:
    report = certify(certificate)
    assert [finding for result in report.results for finding in result.findings] == []


def test_the_goldens_say_what_each_webhook_is() -> None:
    goldens = {path.name.removesuffix(".golden.json"): path for path in certificate.fixtures.glob("*.golden.json")}
    found = {}
    for name, path in goldens.items():
        messages = orjson.loads(path.read_bytes())["messages"]
        found[name] = [
            (one["content"]["type"], one["content"].get("event") or one["content"].get("text")) for one in messages
        ]
    assert found == {
        "incoming": [("call", "started")],
        "incoming_anonymous": [("call", "started")],
        "incoming_client": [("call", "started")],
        "speech": [("text", "I lost my card.")],
        "speech_low_confidence": [("text", "bike or like")],
        "keys": [("text", "2")],
        "status_completed": [("call", "ended")],
        "status_busy": [("call", "ended")],
        "status_failed": [("call", "ended")],
        "status_no_answer": [("call", "ended")],
        "status_canceled": [("call", "ended")],
        "status_ringing": [],
        "status_other_leg": [],
    }
