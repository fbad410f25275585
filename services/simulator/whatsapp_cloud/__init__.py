"""Meta's WhatsApp Cloud API as the vendor behaves."""
