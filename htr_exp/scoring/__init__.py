"""Scores on held-out pages: CER and WER of lines and of whole pages, and of page layouts."""
