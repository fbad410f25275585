"""The telephone network as a caller meets it: Twilio Programmable Voice in small."""
