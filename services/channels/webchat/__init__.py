"""Web chat: the channel of which this project is the vendor."""
