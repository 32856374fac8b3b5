"""Where runs keep their results, on disks and on S3: access, locks, digests of files, and files that are written whole."""
