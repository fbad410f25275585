"""The kit that certifies channel adapters: it tries what an adapter claims, and tells every miss.

``m2n certify services/channels/<name>`` (``command``) finds the adapter's certificate (``lookup``, ``certificate``),
makes all checks (``checks``) and prints a report (``printing``). A check is a function from a certificate to findings;
it knows nothing of the vendor but what the certificate shows. The modules, by category of the report:

- ``protocol``: every member with its exact signature, settings that are checked
- ``signature``: right, forged, stale, missing, no secret set (with ``proof``: where in a request the proof stands)
- ``intake``: batch, duplicate, unknown type
- ``malformed``: broken JSON, deep and huge bodies (with ``payloads``: what can be broken in a body)
- ``content``: emoji, right-to-left, NUL
- ``golden``: golden payloads
- ``rendering``: render at and over limits (with ``render_cases``: the messages; ``calls``: what is seen of them)
- ``outcomes``: the error table
- ``receipts``: the receipts ladder
- ``secrecy``: secrets and text never in logs

``exemptions`` is the list of what a channel can be exempt from, each with the fact that has to be so. Findings never
hold a secret's value or a customer's words. ``docs/add-a-channel.md`` walks through a new channel.
"""
