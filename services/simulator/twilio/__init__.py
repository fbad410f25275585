"""Twilio's Programmable Messaging as the vendor behaves."""
