"""What every channel through Twilio's Programmable Messaging has in common (WhatsApp, SMS)."""
