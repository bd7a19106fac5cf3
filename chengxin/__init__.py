"""What every service stands on and none owns."""

__version__ = "0.1.0"
