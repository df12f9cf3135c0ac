"""Photos and videos as files and as arrays of pixels."""
