"""What outlives a simulated node: a disk that loses, tears and flips, and the stores on it."""
