"""The desk `phone`: callers are handed over to people at a telephone, by Twilio's ``<Dial>`` or ``<Enqueue>``."""
