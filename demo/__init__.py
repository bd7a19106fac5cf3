"""The demonstration world: organisations, people and records of a city that does not exist."""
