"""htr_exp: fine-tune kraken models for medieval manuscripts, and prove what you publish."""

__version__ = "0.1.0"
