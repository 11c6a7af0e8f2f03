"""What a block commits to, and how anybody checks it."""
