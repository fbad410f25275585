"""What Meta's messaging products share: proof of origin, the endpoint's handshake, errors of the Graph API."""
