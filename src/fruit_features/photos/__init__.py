"""What photos are: files in a folder or a bucket, their bytes, the pixels in them, and the reason where there are none."""
