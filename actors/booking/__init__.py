"""What an order book does with the kernel's results: events, answers, legs, and deleveraging (MT-05, MT-15, MT-16a)."""
