"""Writes the folder of a new channel adapter."""
