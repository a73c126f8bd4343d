"""The PostgreSQL index. Knows no HTTP and no blobs."""
