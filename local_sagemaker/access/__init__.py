"""Who calls, and what policies allow: `--enforce-iam`."""
