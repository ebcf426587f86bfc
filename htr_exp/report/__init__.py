"""The page that shows what a run gained: one file, opened by double click, without a network."""
