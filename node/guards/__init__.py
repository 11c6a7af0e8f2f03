"""What stands between a caller and the services: errors, keys, roles, limits, and numbers written as text."""
