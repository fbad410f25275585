"""Signal through the REST gateway signal-cli-rest-api."""
