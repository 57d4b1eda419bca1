"""Buckets that speak S3: how they are reached, and their blocking calls beside the loop."""
