"""The native local stack: every program of M2N on this machine, without Docker, root or accounts."""
