"""Real data and what is made of it, up to S3; not what runs on it, nor how."""
