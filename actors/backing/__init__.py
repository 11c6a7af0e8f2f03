"""Behind a Margin Trade venue: LP shares of its vault, insurance fund, takeovers, shortfall (MT-13 to MT-16)."""
