"""The peers' own programs. They run with the peers' packages: nothing of M2N's, nothing of its environment."""
