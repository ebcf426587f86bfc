"""Page layout: what a segmentation model found, scored against the ground truth and shown on the page."""
