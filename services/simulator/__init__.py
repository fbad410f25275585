"""Stand-in for the vendors, for development and tests: never part of a real installation."""
