"""The release; a module of its own, so that the package's face stands above all rooms that tell it."""

__version__ = "0.1.0"
