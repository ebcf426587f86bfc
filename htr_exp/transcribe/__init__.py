"""Transcribes pages with a model: which pages, which kraken calls, and what is written."""
