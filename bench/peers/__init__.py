"""Other ways to build a bot that answers a signed webhook, played and judged as M2N is.

An echo bot on botbuilder (one process, no queue, no storage) and FastStream on Redis streams (an edge that publishes, a
worker that answers one message after the other). Both verify Twilio's signature and answer by Twilio's API. Neither
knows tenants, sessions, transcripts, statuses, agents or dead letters, which M2N's turns have in them.
"""
