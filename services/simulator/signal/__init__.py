"""The stand-in for Signal behind its REST gateway signal-cli-rest-api in mode json-rpc."""
