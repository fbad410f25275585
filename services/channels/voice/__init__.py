"""The channel `voice`: a telephone call through Twilio Programmable Voice is a conversation like any other."""
