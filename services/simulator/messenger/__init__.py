"""Facebook Messenger as the vendor behaves."""
