"""mkexplorer: see what ``torch.compile`` generated and which sub-kernel of each multi-kernel it picked."""

__version__ = "0.1.0"
