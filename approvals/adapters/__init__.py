"""Documents of other standards, read into ours and written from ours. What cannot be carried over is said in words."""
